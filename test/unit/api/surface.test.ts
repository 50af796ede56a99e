import * as millrace from 'millrace'
import * as filesystem from 'millrace/filesystem'
import * as redis from 'millrace/redis'
import { expect, test } from 'vitest'

test('the package exports these values and no others', () => {
  expect(Object.keys(millrace).sort()).toEqual([
    'AsyncDataStream',
    'ContinuousEventTimeTrigger',
    'ContinuousProcessingTimeTrigger',
    'CountEvictor',
    'CountTrigger',
    'DeltaEvictor',
    'DeltaTrigger',
    'EventTimeSessionWindows',
    'EventTimeTrigger',
    'GlobalWindows',
    'MillraceError',
    'NeverTrigger',
    'ProcessingTimeSessionWindows',
    'ProcessingTimeTrigger',
    'PurgingTrigger',
    'RestartStrategies',
    'SlidingEventTimeWindows',
    'SlidingProcessingTimeWindows',
    'TimeEvictor',
    'TumblingEventTimeWindows',
    'TumblingProcessingTimeWindows',
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

test('the connectors of files and Redis export these values and no others', () => {
  expect(Object.keys(filesystem).sort()).toEqual([
    'FileSink',
    'FileSource',
    'avroFiles',
    'bucketByTime',
    'csvLines',
    'jsonLines',
    'textLines',
  ])
  expect(Object.keys(redis).sort()).toEqual(['RedisSink', 'redisLookup'])
})
