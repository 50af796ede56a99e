import { expect, test } from 'vitest'
import { endWatermark } from '../../../src/common/timestamps.ts'
import { type ValveEvent, WatermarkValve } from '../../../src/task/watermark-valve.ts'

const watermark = (value: number): ValveEvent => ({ type: 'watermark', watermark: value })
const idle: ValveEvent = { type: 'idle' }
const active: ValveEvent = { type: 'active' }

test('the watermark is the minimum over the channels', () => {
  const valve = new WatermarkValve(2)
  expect(valve.channelWatermark(0, 10)).toEqual([])
  expect(valve.channelWatermark(1, 5)).toEqual([watermark(5)])
  expect(valve.channelWatermark(1, 20)).toEqual([watermark(10)])
  expect(valve.watermark).toBe(10)
})

test('a watermark that does not grow, or that comes from an idle or ended channel, changes nothing', () => {
  const valve = new WatermarkValve(2)
  valve.channelWatermark(0, 10)
  valve.channelWatermark(1, 5)
  expect(valve.channelWatermark(1, 5)).toEqual([])
  expect(valve.channelWatermark(1, 4)).toEqual([])
  expect(valve.channelIdle(1)).toEqual([watermark(10)])
  expect(valve.channelWatermark(1, 50)).toEqual([])
})

test('an idle channel holds back nothing, and the stream is idle when all are', () => {
  const valve = new WatermarkValve(2)
  expect(valve.channelIdle(0)).toEqual([])
  expect(valve.channelWatermark(1, 7)).toEqual([watermark(7)])
  expect(valve.channelIdle(1)).toEqual([idle])
  expect(valve.channelIdle(1)).toEqual([])
  expect(valve.channelActive(0)).toEqual([active])
})

test('when the last channel becomes idle, the stream has seen what the furthest of them has seen', () => {
  const valve = new WatermarkValve(2)
  valve.channelWatermark(0, 30)
  valve.channelWatermark(1, 10)
  expect(valve.channelIdle(1)).toEqual([watermark(30)])
  const other = new WatermarkValve(2)
  other.channelWatermark(0, 30)
  other.channelWatermark(1, 10)
  expect(other.channelIdle(0)).toEqual([])
  expect(other.channelIdle(1)).toEqual([watermark(30), idle])
})

test('a channel that comes back behind the others counts only when it has caught up', () => {
  const valve = new WatermarkValve(2)
  valve.channelWatermark(0, 10)
  valve.channelWatermark(1, 5)
  expect(valve.channelIdle(1)).toEqual([watermark(10)])
  expect(valve.channelActive(1)).toEqual([])
  expect(valve.channelWatermark(0, 20)).toEqual([watermark(20)])
  expect(valve.channelWatermark(1, 15)).toEqual([])
  expect(valve.channelWatermark(1, 25)).toEqual([])
  expect(valve.channelWatermark(0, 40)).toEqual([watermark(25)])
})

test('an ended channel holds back nothing', () => {
  const valve = new WatermarkValve(2)
  valve.channelWatermark(0, endWatermark)
  expect(valve.channelWatermark(1, 5)).toEqual([watermark(5)])
  expect(valve.channelEnded(0)).toEqual([])
  expect(valve.channelWatermark(1, 8)).toEqual([watermark(8)])
})

test('the last watermark of an ended channel is no reason to end what an idle one may still bring', () => {
  const valve = new WatermarkValve(2)
  valve.channelWatermark(1, 8)
  valve.channelWatermark(0, endWatermark)
  valve.channelEnded(0)
  expect(valve.channelIdle(1)).toEqual([idle])
  expect(valve.watermark).toBe(8)
  expect(valve.channelActive(1)).toEqual([active])
  expect(valve.channelWatermark(1, 9)).toEqual([watermark(9)])
})

test('the last watermark is given out only when every channel has brought it, idle ones too: their records may still follow', () => {
  const valve = new WatermarkValve(3)
  valve.channelWatermark(0, 8)
  valve.channelWatermark(1, 5)
  expect(valve.channelIdle(2)).toEqual([watermark(5)])
  expect(valve.channelWatermark(0, endWatermark)).toEqual([])
  expect(valve.channelWatermark(1, endWatermark)).toEqual([idle])
  expect(valve.channelEnded(0)).toEqual([])
  expect(valve.channelWatermark(2, endWatermark)).toEqual([watermark(endWatermark)])
  expect(valve.channelEnded(2)).toEqual([])
})

test('an idle channel beside one that ends leaves the stream idle', () => {
  const valve = new WatermarkValve(2)
  valve.channelWatermark(0, 5)
  expect(valve.channelIdle(0)).toEqual([])
  expect(valve.channelEnded(1)).toEqual([watermark(5), idle])
})

test('the end is told once', () => {
  const valve = new WatermarkValve(1)
  valve.channelWatermark(0, 3)
  expect(valve.channelEnded(0)).toEqual([])
  expect(valve.end()).toEqual([watermark(endWatermark)])
  expect(valve.end()).toEqual([])
})
