from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

from edge.cache.tiers.disk import DiskTier
from tests.edge.cache.tiers.things import body_of, stored_files

KILLS = 200

# Imports once, then forks a writer, kills it in the middle of its work, and does so again.
_KILLER = """
import asyncio, json, os, random, signal, sys, time
from pathlib import Path
from edge.cache.tiers.disk import DiskTier
from tests.edge.cache.tiers.things import body_of

folder, kills = Path(sys.argv[1]), int(sys.argv[2])

bodies = {at: body_of(at, 1 + at * 120_001) for at in range(8)}

async def write_for_ever(seed, ready):
    tier = await DiskTier.open(folder, max_bytes=8 * 2**20)
    os.write(ready, b"!")
    chance = random.Random(seed)
    while True:
        number = chance.randrange(40)
        at = chance.randrange(8)
        head = json.dumps({"key": number, "body": at}).encode()
        tier.write(f"key-{number}", head, (f"tag-{at}",), bodies[at])
        if chance.random() < 0.1:
            tier.remove(f"key-{chance.randrange(40)}")
        if chance.random() < 0.3:
            await tier.settled()

torn = 0
chance = random.Random(1)
for seed in range(kills):
    heard, ready = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(write_for_ever(seed, ready))
        finally:
            os._exit(3)
    os.close(ready)
    assert os.read(heard, 1) == b"!"
    os.close(heard)
    time.sleep(chance.uniform(0.0, 0.03))
    os.kill(child, signal.SIGKILL)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    torn += len(list((folder / "incoming").iterdir()))
print(json.dumps({"torn": torn}))
"""


async def test_after_two_hundred_kills_in_mid_write_every_object_is_byte_exact(
    tmp_path: Path,
) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _KILLER, str(tmp_path), str(KILLS)), stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(child.communicate(), 120)
    assert child.returncode == 0
    # Otherwise the kills came between the writes and show nothing.
    assert json.loads(said)["torn"] > KILLS // 40
    async with await DiskTier.open(tmp_path, max_bytes=8 * 2**20) as tier:
        assert list((tmp_path / "incoming").iterdir()) == []
        assert len(stored_files(tmp_path)) == len(tier) > 3
        kept = tier.keys()
        for key in kept:
            entry = tier.find(key)
            assert entry is not None
            loaded = await tier.load(entry)
            assert loaded is not None
            facts = json.loads(loaded.head)
            assert key == f"key-{facts['key']}"
            assert entry.tags == (f"tag-{facts['body']}",)
            assert loaded.body == body_of(facts["body"], 1 + facts["body"] * 120_001)
