// A job of which a newer version does not fit its state any more. Arguments: how many numbers, output folder, uid of the
// stateful operator, type of its state, pause in milliseconds a 200 records.
import { job, type KeyedProcessFunction, type ValueState, valueStateDescriptor } from 'millrace'
import { FileSink } from 'millrace/filesystem'
import { long, string } from 'millrace/formats'
import { keyOf, type NumberTotal } from '../support/numbers.ts'
import { paced } from './paced.ts'

function counting(type: string): KeyedProcessFunction<number, number, NumberTotal> {
  let count: ValueState<number>
  let sum: ValueState<number>
  return {
    open(context) {
      count = context.valueState(valueStateDescriptor<number>('count', long()))
      // Of another type in a newer version.
      const sumType = type === 'text' ? (string() as never) : long()
      sum = context.valueState(valueStateDescriptor<number>('sum', sumType))
    },
    processElement(number, _context, out) {
      const counted = (count.value() ?? 0) + 1
      const summed = Number(sum.value() ?? 0) + number
      count.update(counted)
      sum.update((type === 'text' ? String(summed) : summed) as number)
      out.collect({ number, count: counted, sum: summed })
    },
  }
}

export default job('versions', (env, [count = '1000', folder = '.', uid = 'sums', type = 'number', pauseMs = '0']) => {
  env
    .fromSequence(1, Number(count))
    .map(paced(200, Number(pauseMs)))
    .keyBy((number) => keyOf(number))
    .process(counting(type))
    .uid(uid)
    .sinkTo(FileSink.of({ folder }))
})
