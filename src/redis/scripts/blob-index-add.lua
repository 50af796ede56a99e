-- Names a blob in the index of its job, before its pieces are written: whatever a crash leaves of it is found.
-- Not fenced: an attempt writes blobs of its own alone, whose names hold its id (I7).
-- KEYS: 1 set of the job's folders, 2 hash of the folder: blob to number of pieces
-- ARGV: 1 folder, 2 blob within it, 3 number of pieces
-- Returns 1.
redis.call('SADD', KEYS[1], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[2], ARGV[3])
return 1
