import math

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from pysal import kernels
from pysal.kernels import reference
from pysal.types import Noise

SIZE = (250, 401)
CORRELATION = 5 / math.sqrt(3 * SIZE[0] * SIZE[1])  # five standard errors


def draw_noise(seed=(11,), step=0, first_node=0, nodes=1, std=(1.0, 1.0, 1.0), size=SIZE):
    n = len(seed)
    zero = np.zeros((n, len(std), *size), np.float32)
    noise = Noise(np.asarray(std, np.float32), np.asarray(seed, np.uint64), step)
    mask = np.zeros((n, 1, 1, 1), np.float32)
    return kernels.blend(zero, zero, mask, nodes=np.ones(nodes), first_node=first_node, noise=noise)


def test_philox_known_answers():
    """Vectors published with the generator (Random123, kat_vectors)."""
    ones = 0xFFFFFFFF
    cases = [
        ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((ones,) * 4, (ones,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
            (0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ]
    for counter, key, expected in cases:
        words = reference.philox([np.array([word], np.uint32) for word in counter], key)
        assert [int(word[0]) for word in words] == list(expected)


def test_box_muller_is_accurate():
    rng = np.random.default_rng(0)
    words = rng.integers(0, 2**32, (2, 200_000), dtype=np.uint32)
    words[:, :4] = [[0, 0xFFFFFFFF, 0x80000000, 255], [0, 0xFFFFFFFF, 0x80000000, 0x40000000]]
    first, second = reference.box_muller(words[0], words[1])
    u = ((words[0] >> 8) + 1.0) / 2.0**24
    radius = np.sqrt(-2 * np.log(u))
    # the angle: 30 bits within +-pi/4, then a swap and a sign, one bit each
    angle = (words[1] << np.uint32(2)).view(np.int32) / 2.0**32 * (np.pi / 2)
    swap, negative = (words[1] >> 30 & 1) == 1, (words[1] >> 31) == 1
    pair = np.where(swap, [np.sin(angle), np.cos(angle)], [np.cos(angle), np.sin(angle)])
    expected = radius * pair * np.where(negative, -1, 1)
    assert np.abs(first - expected[0]).max() < 2e-6
    assert np.abs(second - expected[1]).max() < 2e-6


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (8, 8), (9, 7), (64, 64), (250, 401)])
def test_compiled_has_the_bits_of_the_reference(both, size):
    n = 2
    zero = np.zeros((n, 3, *size), np.float32)
    noise = Noise(np.array([1, 0, 0.3], np.float32), np.array([3, 2**64 - 1], np.uint64), 2**32 - 1)
    mask = np.zeros((n, 1, 1, 1), np.float32)
    results = both("blend", zero, zero, mask, nodes=np.ones(2), first_node=7, noise=noise)
    assert_array_equal(results[0].view(np.uint32), results[1].view(np.uint32))


def test_values_do_not_change_between_releases(impl):
    """The first values of a stream, recorded once; a change alters every result with noise."""
    got = draw_noise(seed=(42,), step=1, size=(1, 4), std=(1.0,)).ravel()
    assert_array_equal(got, np.array(RECORDED, np.float32))


RECORDED = [2.1613731384277344, 0.10821650177240372, 1.2609457969665527, -1.8688260316848755]


def test_distribution(impl):
    z = draw_noise(nodes=2).astype(np.float64).ravel()
    count = z.size
    assert abs(z.mean()) < 4 / math.sqrt(count)
    assert abs(z.var() - 1) < 4 * math.sqrt(2 / count)
    assert abs((z**3).mean()) < 4 * math.sqrt(15 / count)
    assert abs((z**4).mean() - 3) < 4 * math.sqrt(96 / count)
    # Kolmogorov-Smirnov: 1.95 is the 0.1 % point
    ordered = np.sort(z)
    erf = np.vectorize(math.erf)
    picked = slice(None, None, 7)
    normal = 0.5 * (1 + erf(ordered[picked] / math.sqrt(2)))
    steps = np.arange(count)[picked] / count
    distance = max(np.abs(steps - normal).max(), np.abs(steps + 1 / count - normal).max())
    assert distance < 1.95 / math.sqrt(count)


def test_streams_are_independent(impl):
    base = draw_noise(nodes=2, seed=(11, 12))
    streams = [base[0, 0], base[0, 1], base[1, 0], draw_noise(step=1)[0, 0]]
    streams.append(draw_noise(seed=(11 + 2**32,))[0, 0])
    correlation = np.corrcoef([stream.ravel() for stream in streams])
    assert np.abs(correlation - np.eye(len(streams))).max() < CORRELATION


def test_channels_and_neighbours_are_independent(impl):
    z = draw_noise()[0, 0]
    channels = np.corrcoef(z.reshape(3, -1))
    assert np.abs(channels - np.eye(3)).max() < 2 * CORRELATION
    flat = z.ravel()
    for shift in (1, 2, 4, 16, 32, 64, SIZE[1]):
        assert abs(np.corrcoef(flat[:-shift], flat[shift:])[0, 1]) < CORRELATION
    squares = flat**2  # the two values of a pair share their radius: still independent
    assert abs(np.corrcoef(squares[:-16], squares[16:])[0, 1]) < CORRELATION


def test_standard_deviation_per_channel(impl):
    z = draw_noise(std=(0.4, 0.0, 0.1))[0, 0]
    assert np.allclose(z.std(axis=(1, 2)), [0.4, 0.0, 0.1], rtol=0.01)
    assert not z[1].any()
    assert_array_equal(z[0], np.float32(0.4) * draw_noise()[0, 0, 0])


def test_first_node_counts_on(impl):
    assert_array_equal(draw_noise(nodes=3)[:, 2], draw_noise(first_node=2)[:, 0])
