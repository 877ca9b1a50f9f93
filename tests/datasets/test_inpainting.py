"""What the small inpainter is trained on, its loss, its network and its file."""

from __future__ import annotations

import inspect
import json
import re

import numpy as np
import pytest

from pysal.datasets import inpainting_holes as holes
from pysal.datasets import inpainting_images as pictures
from pysal.datasets.inpainting_scenes import render_scene

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

from pysal.datasets import inpainting_train  # noqa: E402
from pysal.datasets.inpainting_export import RECORD, export_onnx, run_onnx  # noqa: E402
from pysal.datasets.inpainting_loss import loss, similarity  # noqa: E402
from pysal.datasets.inpainting_net import generator, spread  # noqa: E402


@pytest.fixture(scope="module", autouse=True)
def one_torch_thread():
    """Two threads that wait for each other on a busy machine take ten times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_scenes_are_seeded_pictures_in_color():
    for seed in range(12):
        picture = render_scene(rng(seed), 48)
        assert (picture.dtype, picture.shape) == (np.float32, (48, 48, 3))
        assert picture.min() >= 0
        assert picture.max() <= 1
        np.testing.assert_array_equal(picture, render_scene(rng(seed), 48))
    spread_of_scenes = [render_scene(rng(seed), 48).std() for seed in range(12)]
    assert np.median(spread_of_scenes) > 0.05


def test_scenes_of_a_set_do_not_depend_on_its_length():
    plant = (np.full((30, 30, 3), 255, np.uint8), np.ones((30, 30), bool))
    many, few = (pictures.draw_scenes(3, count, 40, [plant]) for count in (9, 2))
    np.testing.assert_array_equal(many[:2], few)
    bare = pictures.draw_scenes(3, 9, 40, [])
    changed = (many != bare).any(axis=(1, 2, 3))
    assert changed.tolist() == [k % 8 == 0 for k in range(9)]


@pytest.mark.parametrize("kind", list(holes.KINDS))
def test_masks_have_holes_of_their_kind(kind):
    shares = []
    for seed in range(30):
        keep = holes.KINDS[kind](rng(seed), 96)
        assert (keep.dtype, keep.shape) == (bool, (96, 96))
        np.testing.assert_array_equal(keep, holes.KINDS[kind](rng(seed), 96))
        shares.append(keep.mean())
    low, high = {"patches": (0.5, 1), "surroundings": (0, 0.8)}.get(kind, (0.1, 0.97))
    assert low < np.mean(shares) < high
    assert np.std(shares) > 0.01
    assert holes.random_keep(rng(1), 64).shape == (64, 64)


def test_every_photo_is_free():
    data = pytest.importorskip("skimage.data")
    for name, terms in pictures.PHOTOS.items():
        text = inspect.getdoc(getattr(data, name))
        stated = re.search(r"CC0|Creative Commons CC0|public domain", text)
        assert stated, name
        assert ("CC0" in terms) == ("CC0" in text), name
        assert terms.startswith(("CC0 (", "public domain (")), name


def test_photos_are_cropped_and_varied():
    pytest.importorskip("skimage")
    photos = pictures.free_photos()
    assert list(photos) == list(pictures.PHOTOS)
    for name, photo in photos.items():
        assert (photo.dtype, photo.shape[2]) == (np.uint8, 3)
        crop = pictures.crop_photo(rng(), photo, 64)
        varied = pictures.recolor(rng(1), crop)
        for values in (crop, varied):
            assert (values.dtype, values.shape) == (np.float32, (64, 64, 3)), name
            assert values.min() >= 0
            assert values.max() <= 1
        assert (crop != varied).any()


def test_smooth_half_uses_known_pixels_alone():
    image = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))
    known = torch.ones(2, 1, 64, 96)
    known[0, :, 10:40, 20:70] = 0
    known[1, :, :, 30:] = 0
    filled = spread(image, known)
    assert torch.allclose(filled * known, image * known, atol=1e-5)
    other = torch.where(known > 0, image, torch.rand(2, 3, 64, 96))
    assert torch.equal(spread(other, known), filled)
    flat = spread(torch.full((2, 3, 64, 96), 0.3), known)
    assert torch.allclose(flat, torch.tensor(0.3), atol=1e-3)
    assert torch.allclose(spread(image, known, pool=True), filled, atol=1e-6)
    nothing = spread(image, torch.zeros(2, 1, 64, 96))
    assert torch.allclose(nothing, torch.tensor(0.5), atol=1e-6)


def test_smooth_half_is_nearly_harmonic():
    # The only harmonic function between two sides of different colour is the ramp.
    ramp = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    known = torch.ones(1, 1, 64, 64)
    known[..., 16:48] = 0
    assert (spread(ramp, known) - ramp).abs().max() < 0.06


def test_loss_counts_what_it_says():
    torch.manual_seed(0)
    image = torch.rand(2, 3, 32, 32)
    hole = torch.zeros(2, 1, 32, 32)
    hole[:, :, 8:20, 8:20] = 1
    assert float(loss(image, image, hole)) < 1e-6
    inside, outside = (torch.where(where > 0, image + 0.2, image) for where in (hole, 1 - hole))
    assert float(loss(inside, image, hole)) > 5 * float(loss(outside, image, hole)) > 0
    known = loss(outside, image, hole)
    np.testing.assert_allclose(float(known), 0.1 * 0.2, rtol=1e-4)
    assert torch.isfinite(loss(inside, image, torch.zeros_like(hole)))


def test_similarity_is_scikit_images():
    metrics = pytest.importorskip("skimage.metrics")
    a, b = (rng(seed).random((33, 35, 3)).astype(np.float32) for seed in (0, 1))
    pair = [torch.from_numpy(x).permute(2, 0, 1)[None] for x in (a, 0.5 * a + 0.5 * b)]
    made = similarity(*pair)[0].permute(1, 2, 0).numpy()
    options = {"channel_axis": 2, "data_range": 1.0, "use_sample_covariance": False}
    _, expected = metrics.structural_similarity(a, 0.5 * a + 0.5 * b, full=True, **options)
    np.testing.assert_allclose(made[2:-2, 2:-2], expected[::2, ::2][2:-2, 2:-2], atol=1e-4)


@pytest.mark.slow
def test_training_is_seeded_and_lowers_the_loss(tmp_path):
    scenes = pictures.draw_scenes(0, 8, 80, [])
    examples = inpainting_train.Examples(scenes, [scenes[0]], seed=0)
    nets = [inpainting_train.train(examples, steps=3, batch_size=2, seed=1) for _ in range(2)]
    for a, b in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
        assert torch.equal(a, b)
    images, hole = examples.batch(99, 4)
    assert torch.equal(images, examples.batch(99, 4)[0])
    assert set(hole.unique().tolist()) == {0.0, 1.0}

    class Same:
        """The same two examples at every step: they can be learnt by heart."""

        def batch(self, step: int, count: int) -> tuple[torch.Tensor, torch.Tensor]:
            return images[:2], hole[:2]

    longer = inpainting_train.train(Same(), steps=40, seed=1)  # type: ignore[arg-type]
    with torch.no_grad():
        before, after = (
            loss(net(images[:2], hole[:2]), images[:2], hole[:2]) for net in (generator(), longer)
        )
    assert float(after) < 0.95 * float(before)
    path = tmp_path / "net.onnx"
    assert export_onnx(longer, path, {"seed": 1}) < 1e-4
    model = onnx.load(path)
    metadata = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert metadata == {"pysal.inpainter": RECORD, "pysal.training": {"seed": 1}}
    assert path.stat().st_size < 500_000
    with torch.no_grad():
        wanted = longer(images[:1], hole[:1]).numpy()
    np.testing.assert_allclose(
        run_onnx(path, images[:1].numpy(), hole[:1].numpy()), wanted, atol=1e-5
    )
