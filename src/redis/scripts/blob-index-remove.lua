-- Forgets blobs whose pieces are deleted, and their folder where none is left.
-- Not fenced: it follows the deletion of the pieces, which lie in other hash slots; who may delete is decided before (R10).
-- KEYS: 1 set of the job's folders, 2 hash of the folder: blob to number of pieces
-- ARGV: 1 folder, 2 and further blobs within it
-- Returns how many blobs the folder still has.
for position = 2, #ARGV do redis.call('HDEL', KEYS[2], ARGV[position]) end
local left = redis.call('HLEN', KEYS[2])
if left == 0 then redis.call('SREM', KEYS[1], ARGV[1]) end
return left
