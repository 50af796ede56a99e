import * as millrace from 'millrace'
import { expect, test } from 'vitest'

test('the package exports these values and no others', () => {
  expect(Object.keys(millrace).sort()).toEqual([
    'EventTimeSessionWindows',
    'MillraceError',
    'RestartStrategies',
    'SlidingEventTimeWindows',
    'TumblingEventTimeWindows',
    'WatermarkStrategy',
    'aggregatingStateDescriptor',
    'avg',
    'col',
    'count',
    'datagen',
    'isMillraceError',
    'job',
    'listStateDescriptor',
    'lit',
    'mapStateDescriptor',
    'max',
    'min',
    'noTimestamp',
    'operatorListStateDescriptor',
    'outputTag',
    'reducingStateDescriptor',
    'sum',
    'valueStateDescriptor',
  ])
})
