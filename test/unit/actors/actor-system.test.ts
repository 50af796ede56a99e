import { expect, test } from 'vitest'
import type { ActorContext, ActorReference, EndedActor } from '../../../src/actors/runtime/actor.ts'
import { ActorSystem } from '../../../src/actors/runtime/actor-system.ts'
import type { Executor } from '../../../src/actors/runtime/executor.ts'
import { InProcessTransport, type InProcessTransportOptions } from '../../../src/actors/transport/in-process.ts'
import { silentLogger } from '../../../src/common/logger.ts'
import { systemPorts } from '../../../src/common/system-ports.ts'
import { VirtualClock } from '../../../src/testing/virtual-clock.ts'

/** Runs actions only when the test says so, in order. */
class ManualExecutor implements Executor {
  readonly #actions: (() => void)[] = []

  execute(action: () => void): void {
    this.#actions.push(action)
  }

  /** Runs everything, promises between the actions too. */
  async drain(): Promise<void> {
    for (let quiet = 0; quiet < 10; quiet++) {
      for (let action = this.#actions.shift(); action !== undefined; action = this.#actions.shift()) {
        quiet = 0
        action()
      }
      await Promise.resolve()
    }
  }
}

function actorSystem(options: InProcessTransportOptions = {}) {
  const clock = new VirtualClock()
  const executor = new ManualExecutor()
  const ports = { ...systemPorts, clock }
  const transport = new InProcessTransport({ clone: true, ...options })
  const system = new ActorSystem({ transport, ports, executor, logger: silentLogger })
  return { system, clock, executor }
}

/** An actor that a test speaks through. */
function outside(system: ActorSystem): ActorContext<unknown> & { readonly ended: EndedActor[] } {
  const ended: EndedActor[] = []
  let outer: ActorContext<unknown> | undefined
  system.spawn<unknown>('outside', (context) => {
    outer = context
    return { receive: () => {}, watchedEnded: (actor) => void ended.push(actor) }
  })
  if (outer === undefined) throw new Error('not started')
  return { ...outer, ended }
}

test('one message is handled at a time: the next waits until the handler has resolved', async () => {
  const { system, executor } = actorSystem()
  const log: string[] = []
  const gates: (() => void)[] = []
  const actor = system.spawn<string>('actor', () => ({
    receive: async (message) => {
      log.push(`begins ${message}`)
      await new Promise<void>((resolve) => gates.push(resolve))
      log.push(`ends ${message}`)
    },
  }))
  const { tell } = outside(system)
  tell(actor, 'a')
  tell(actor, 'b')
  await executor.drain()
  expect(log).toEqual(['begins a'])
  gates.shift()?.()
  await executor.drain()
  expect(log).toEqual(['begins a', 'ends a', 'begins b'])
})

test('an answer resolves the ask, an error in the handler rejects it and fails the actor', async () => {
  const { system, executor } = actorSystem()
  const actor = system.spawn<number>('actor', () => ({
    receive: (message, sender) => {
      if (message < 0) throw new Error('negative')
      sender.answer(message * 2)
    },
  }))
  const { ask, watch, ended } = outside(system)
  watch(actor)
  const good = ask(actor, 21, 1000)
  const bad = ask(actor, -1, 1000)
  bad.catch(() => {})
  await executor.drain()
  expect(await good).toBe(42)
  await expect(bad).rejects.toThrow('negative')
  expect(ended).toMatchObject([{ address: 'actor', error: { message: 'negative' } }])
})

test('an ask without an answer is rejected at its time limit (I11), one to nobody at once', async () => {
  const { system, clock, executor } = actorSystem()
  const actor = system.spawn<string>('silent', () => ({ receive: () => {} }))
  const { ask } = outside(system)
  const answer = ask(actor, 'hello', 1000)
  answer.catch(() => {})
  await executor.drain()
  clock.advanceTo(1000)
  await expect(answer).rejects.toThrow('silent did not answer within 1000 ms')
  await expect(ask({ address: 'nobody' } as ActorReference<string>, 'hello', 1000)).rejects.toThrow(/nobody/)
})

test('watchers are told once of an end, late ones at once', async () => {
  const { system, executor } = actorSystem()
  const actor = system.spawn<string>('actor', ({ stop }) => ({ receive: () => stop() }))
  const { tell, watch, ended } = outside(system)
  watch(actor)
  tell(actor, 'stop')
  await executor.drain()
  expect(ended).toEqual([{ address: 'actor', error: undefined }])
  watch(actor)
  await executor.drain()
  expect(ended.length).toBe(2)
})

test('an actor ends after the message that it is handling', async () => {
  const { system, executor } = actorSystem()
  const log: string[] = []
  const gate = Promise.withResolvers<void>()
  const actor = system.spawn<string>('actor', () => ({
    receive: async (message) => {
      await gate.promise
      log.push(message)
    },
    ended: () => void log.push('ended'),
  }))
  outside(system).tell(actor, 'message')
  await executor.drain()
  const stopped = system.stop(actor)
  await executor.drain()
  gate.resolve()
  await stopped
  expect(log).toEqual(['message', 'ended'])
})

test('an actor ends its children first, and nothing of it fires afterwards', async () => {
  const { system, clock, executor } = actorSystem()
  const log: string[] = []
  const parent = system.spawn<string>('parent', (context) => {
    context.spawn<string>('child', (inner) => {
      inner.schedule(100, 'late')
      return { receive: (message) => void log.push(message), ended: () => void log.push('child ended') }
    })
    return { receive: () => {}, ended: () => void log.push('parent ended') }
  })
  await system.stop(parent)
  clock.advanceTo(1000)
  await executor.drain()
  expect(log).toEqual(['child ended', 'parent ended'])
})

test('a parent is told that its child has failed, and may start another', async () => {
  const { system, executor } = actorSystem()
  const log: string[] = []
  const behaviour = () => ({
    receive: (message: string) => {
      if (message === 'fail') throw new Error('child')
      log.push(message)
    },
  })
  system.spawn<string>('parent', (context) => {
    const child = context.spawn('child', behaviour)
    context.tell(child, 'fail')
    return {
      receive: () => {},
      watchedEnded: (ended) => {
        log.push(`${ended.address}: ${ended.error?.message}`)
        context.tell(context.spawn('second child', behaviour), 'again')
      },
    }
  })
  await executor.drain()
  expect(log).toEqual(['child: child', 'again'])
})

test('a gap in what arrives fails the actor: nothing is passed over silently (I9)', async () => {
  const { system, executor } = actorSystem({
    fate: ({ body }) => (JSON.stringify(body).includes('lost') ? 'lose' : 'deliver'),
  })
  const actor = system.spawn<string>('actor', () => ({ receive: () => {} }))
  const { tell, watch, ended } = outside(system)
  watch(actor)
  for (const message of ['first', 'lost', 'third']) tell(actor, message)
  await executor.drain()
  expect(ended).toMatchObject([
    { error: { message: expect.stringMatching(/messages 2 to 2 of outside .* were lost/) } },
  ])
})

test('a scheduled message comes at its time, unless it is cancelled', async () => {
  const { system, clock, executor } = actorSystem()
  const log: string[] = []
  system.spawn<string>('actor', (context) => {
    context.schedule(100, 'kept')
    context.schedule(100, 'cancelled').cancel()
    return { receive: (message) => void log.push(message) }
  })
  clock.advanceTo(99)
  await executor.drain()
  expect(log).toEqual([])
  clock.advanceTo(100)
  await executor.drain()
  expect(log).toEqual(['kept'])
})
