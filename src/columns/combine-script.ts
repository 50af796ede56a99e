import { lowest } from '../common/number-order.ts'
import { compile, quoted } from '../formats/generated-text.ts'
import { combinationText, type NamedAggregate, type RecordAggregate, slotsOf } from './aggregate.ts'
import type { ColumnBatch } from './column-batch.ts'
import type { CombinePlan } from './column-plan.ts'

/** Where rows are combined: accumulators lie at `columns[entry × width]`. */
export interface CombiningTable {
  readonly columns: Float64Array
  /** The entry that takes a row of this key, begun where there is none. */
  entryOf(keyStart: number, keyEnd: number, hash: number, timestamp: number): number
  /** Called behind a row that `entryOf` wanted to know of: it sets `unsettled` then. */
  settle(): void
  readonly unsettled: boolean
}

/** Folds the rows of a batch into a table. */
export type Combine = (batch: ColumnBatch) => void

export function compileCombine({ aggregate, valueOf: valueNumbers }: CombinePlan, table: CombiningTable): Combine {
  let slot = 0
  const texts = aggregate.results.map((named, index) => {
    const text = foldText(named, { slot, value: valueNumbers[index] as number })
    slot += slotsOf(named).length
    return text
  })
  const used = [...new Set(valueNumbers)].filter((value) => value >= 0)
  const views = used.map((value) => `const x${value}=values[${value}],n${value}=nulls[${value}];`).join('')
  const body = `return function combine(batch){
const {count,hashes,keyEnds,timestamps,values,nulls}=batch,a=table.columns;${views}
let start=batch.keysStart;
for(let i=0;i<count;i++){const end=keyEnds[i],j=table.entryOf(start,end,hashes[i],timestamps[i])*${slot};start=end;
${texts.join('\n')}
if(table.unsettled)table.settle()}}`
  return compile('column-combine', { lowest, table }, body)
}

function foldText(
  { aggregate, nullable }: NamedAggregate,
  { slot, value }: { readonly slot: number; readonly value: number },
): string {
  const at = `a[j+${slot}]`
  const { operation } = aggregate
  if (operation === 'count') return `${at}+=1;`
  const x = `x${value}[i]`
  const fold = `${at}=${combinationText(aggregate, at, x)};`
  const counted = nullable || operation === 'avg' ? `${fold}a[j+${slot + 1}]+=1;` : fold
  return nullable ? `if(n${value}[i]===0){${counted}}` : counted
}

/** Makes the object of an accumulator in doubles, as the aggregate function has it. */
export function compileAccumulator({ results }: RecordAggregate): (columns: Float64Array, at: number) => unknown {
  const fields = results.flatMap(slotsOf).map((name, index) => `${quoted(name)}:a[j+${index}]`)
  return compile('column-accumulator', {}, `return function accumulator(a,j){return {${fields.join()}}}`)
}
