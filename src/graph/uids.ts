import { MillraceError } from '../common/errors.ts'
import { isStateful } from './operator-spec.ts'
import type { StreamGraph, StreamNode } from './stream-graph.ts'

/**
 * The uid of every node, by node id: as given, else derived from kind and name (R38). Stateless operators alike are
 * counted, since nothing is restored by their uids.
 * @throws MillraceError MR_JOB_DEFINITION where two operators have one uid, or two stateful ones would get one
 */
export function resolveUids(graph: StreamGraph): readonly string[] {
  const owners = new Map<string, StreamNode>()
  for (const node of graph.nodes) if (node.uid !== undefined) claimGiven(owners, node.uid, node)
  for (const node of graph.nodes) if (node.uid === undefined && isStateful(node.spec)) claimDerived(owners, node)
  const uids = new Map([...owners].map(([uid, node]) => [node.id, uid]))
  return graph.nodes.map((node) => uids.get(node.id) ?? claimCounted(owners, node))
}

function derivedUid(node: StreamNode): string {
  return `${node.spec.kind}:${node.name}`
}

function claimGiven(owners: Map<string, StreamNode>, uid: string, node: StreamNode): void {
  const owner = owners.get(uid)
  if (owner !== undefined) throw taken(uid, node, owner)
  owners.set(uid, node)
}

function taken(uid: string, node: StreamNode, owner: StreamNode): MillraceError {
  return new MillraceError(
    'MR_JOB_DEFINITION',
    `${placeOf(node)}: the uid '${uid}' is taken by ${placeOf(owner)}; uids are unique within a job`,
    { operator: node.name },
  )
}

function claimDerived(owners: Map<string, StreamNode>, node: StreamNode): void {
  const uid = derivedUid(node)
  const owner = owners.get(uid)
  if (owner?.uid !== undefined) throw taken(uid, node, owner)
  if (owner !== undefined) {
    throw new MillraceError(
      'MR_JOB_DEFINITION',
      `${placeOf(node)} and ${placeOf(owner)} keep state and have the same name: their state could not be told apart in a checkpoint; give them .uid('…'), or different names by .name('…')`,
      { operator: node.name },
    )
  }
  owners.set(uid, node)
}

function claimCounted(owners: Map<string, StreamNode>, node: StreamNode): string {
  const base = derivedUid(node)
  let uid = base
  for (let count = 2; owners.has(uid); count++) uid = `${base}#${count}`
  owners.set(uid, node)
  return uid
}

/** An operator in a message: its name and where it was declared. */
export function placeOf(node: { readonly name: string; readonly declaredAt: string }): string {
  return `operator '${node.name}' (declared at ${node.declaredAt})`
}
