from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pysal.errors import InputError, PysalError, ShapeError
from pysal.photos import count_photos, iter_photos, load_photos
from pysal.preprocess import Preprocess

RECORD = Preprocess(size=(16, 16), resize_shorter_side=20)
DIRECT = RECORD.replace(size=(8, 12), resize_shorter_side=None, interpolation="nearest")


def picture(width=30, height=24, seed=0) -> Image.Image:
    values = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(values).resize((width, height), Image.Resampling.BICUBIC)


def quarters(width=12, height=8) -> Image.Image:
    """Red, green / blue, white."""
    values = np.zeros((height, width, 3), np.uint8)
    top, left = height // 2, width // 2
    values[:top, :left, 0] = values[:top, left:, 1] = values[top:, :left, 2] = 255
    values[top:, left:] = 255
    return Image.fromarray(values)


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


def refused(images, error=InputError, record=RECORD) -> str:
    with pytest.raises(error) as caught:
        load_photos(images, record)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_path_a_picture_and_an_array_are_the_same_photo(tmp_path):
    image = picture()
    path = saved(tmp_path / "photo.png", image)
    array = np.asarray(image)
    batch = np.stack([array, array])
    photos = load_photos([path, str(path), image, array, batch], RECORD, (3, 16, 16))
    assert len(photos) == 6
    assert photos.batch.shape == (6, 3, 16, 16)
    assert photos.batch.dtype == photos.rgb.dtype == np.float32
    assert photos.names == ("photo", "photo_1", "image_2", "image_3", "image_4", "image_5")
    for i in range(6):
        np.testing.assert_array_equal(photos.rgb[i], photos.rgb[0])
    np.testing.assert_allclose(RECORD.normalize(photos.rgb), photos.batch)


@settings(max_examples=40, deadline=None)
@given(
    width=st.integers(1, 60),
    height=st.integers(1, 60),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    method=st.sampled_from(["bilinear", "bicubic", "nearest"]),
)
def test_resizing_is_shorter_side_then_centre(width, height, size, method):
    image = picture(width, height)
    record = RECORD.replace(size=size, interpolation=method)
    rgb = load_photos(image, record).rgb[0]
    assert rgb.shape == (*size, 3)
    assert rgb.min() >= 0
    assert rgb.max() <= 1
    side = 20
    if width <= height:
        scaled = (side, int(side * height / width))
    else:
        scaled = (int(side * width / height), side)
    if max(width, height) > 32 * min(width, height):
        return
    resized = np.asarray(image.resize(scaled, Image.Resampling[method.upper()]), float) / 255
    top, left = round((scaled[1] - size[0]) / 2.0), round((scaled[0] - size[1]) / 2.0)
    expected = resized[top : top + size[0], left : left + size[1]]
    np.testing.assert_allclose(rgb, expected, atol=1e-6)


def test_agrees_with_torchvision_arithmetic_on_odd_sizes():
    # 333 x 500 -> 256 x int(384.38) = 384, crop offset round((384 - 224) / 2) = 80.
    image = picture(500, 333)
    rgb = load_photos(image, Preprocess()).rgb[0]
    resized = np.asarray(image.resize((384, 256), Image.Resampling.BILINEAR), np.float32) / 255
    np.testing.assert_array_equal(rgb, resized[16:240, 80:304])


def test_direct_resize_keeps_the_whole_photo():
    rgb = load_photos(quarters(120, 80), DIRECT).rgb[0]
    np.testing.assert_array_equal(rgb[0, 0], (1, 0, 0))
    np.testing.assert_array_equal(rgb[-1, -1], (1, 1, 1))


def test_a_crop_that_does_not_fit_enlarges_the_photo():
    record = RECORD.replace(size=(10, 90))
    rgb = load_photos(Image.new("RGB", (30, 30), "white"), record).rgb
    assert rgb.shape == (1, 10, 90, 3)
    assert rgb.min() == 1


def test_long_strips_do_not_fill_the_memory():
    strip = Image.new("RGB", (60_000, 1), "red")
    rgb = load_photos([strip, strip.transpose(Image.Transpose.ROTATE_90)], Preprocess()).rgb
    assert (rgb[..., 0] == 1).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    upright = quarters()
    inverse = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }.get(orientation, [])
    stored = upright
    for step in inverse:
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / "x.png", stored, exif=exif)
    found = load_photos([path, Image.open(path)], DIRECT).rgb
    np.testing.assert_allclose(found[0] * 255, np.asarray(upright), atol=1e-3)
    np.testing.assert_array_equal(found[1], found[0])


@pytest.mark.parametrize(
    "mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "HSV", "RGBA", "LA", "RGBa"]
)
def test_every_usual_mode_is_converted(mode):
    if mode == "RGBa":
        image = Image.new("RGBA", (12, 8), "white").convert("RGBa")
    elif mode == "HSV":
        image = Image.new("RGB", (12, 8), "white").convert("HSV")
    else:
        image = Image.new("RGB", (12, 8), "white").convert(mode)
    np.testing.assert_allclose(load_photos(image, DIRECT).rgb, 1, atol=0.01)


def test_cmyk_files_keep_their_colours(tmp_path):
    path = saved(tmp_path / "x.jpg", quarters().convert("CMYK"), quality=95)
    np.testing.assert_allclose(load_photos(path, DIRECT).rgb[0, 1, 1], (1, 0, 0), atol=0.1)


def test_transparency_shows_white(tmp_path):
    clear = Image.new("RGBA", (12, 8), (0, 0, 0, 0))
    half = Image.new("RGBA", (12, 8), (0, 0, 0, 128))
    found = load_photos([clear, half, clear.convert("LA")], DIRECT).rgb
    np.testing.assert_allclose(found.mean(axis=(1, 2, 3)), [1, 127 / 255, 1], atol=0.01)
    palette = Image.new("P", (12, 8), 3)
    palette.putpalette(range(12))
    path = saved(tmp_path / "p.png", palette, transparency=3)
    grey = saved(tmp_path / "l.png", Image.new("L", (12, 8), 7), transparency=7)
    assert load_photos([path, grey], DIRECT).rgb.min() == 1


@pytest.mark.parametrize("suffix", ["png", "tif", "pgm"])
def test_sixteen_bit_grey_is_scaled(tmp_path, suffix):
    ramp = np.linspace(0, 65535, 96).reshape(8, 12).astype(np.uint16)
    path = saved(tmp_path / f"x.{suffix}", Image.fromarray(ramp))
    found = load_photos(path, DIRECT).rgb[0, ..., 0]
    np.testing.assert_allclose(found, ramp / 65535, atol=0.003)


def test_deeper_values_are_refused():
    deep = Image.fromarray(np.zeros((8, 12), np.int32))
    assert "32-bit" in refused(deep)
    assert "32-bit" in refused(Image.fromarray(np.zeros((8, 12), np.float32)))


def test_still_pictures_only_but_phone_photos_are_still(tmp_path):
    frames = [picture(seed=i) for i in range(3)]
    for name in ("x.gif", "x.webp", "x.tif", "x.png"):
        path = saved(tmp_path / name, frames[0], save_all=True, append_images=frames[1:])
        message = refused(path)
        assert "3 frames" in message
        assert message.startswith(str(path))
    path = saved(tmp_path / "x.mpo", frames[0], save_all=True, append_images=frames[1:])
    assert len(load_photos(path, RECORD)) == 1


def test_bad_files_are_one_line_that_starts_with_the_path(tmp_path):
    text = tmp_path / "text.jpg"
    text.write_text("no photo")
    empty = tmp_path / "empty.jpg"
    empty.write_bytes(b"")
    buffer = io.BytesIO()
    picture(300, 200).save(buffer, "JPEG")
    cut = tmp_path / "cut.jpg"
    cut.write_bytes(buffer.getvalue()[: len(buffer.getvalue()) // 2])
    buffer = io.BytesIO()
    picture(300, 200).save(buffer, "PNG")
    broken = tmp_path / "broken.png"
    broken.write_bytes(buffer.getvalue()[:60] + b"\0" * 40 + buffer.getvalue()[100:])
    for path, words in (
        (tmp_path / "none.jpg", "no such file"),
        (tmp_path, "folder"),
        (text, "not an image"),
        (empty, "not an image"),
        (cut, "cannot be read"),
        (broken, "cannot be read"),
    ):
        message = refused(path)
        assert words in message
        assert message.startswith(f"{path}: ")


def test_decompression_bombs_are_refused(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.png", Image.new("L", (100, 100)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert "too many pixels" in refused(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "too many pixels" in refused(path)


def test_float_arrays_are_model_input_already():
    batch = np.random.default_rng(0).normal(size=(2, 3, 16, 16))
    photos = load_photos([batch, batch[0]], RECORD)
    np.testing.assert_array_equal(photos.batch[:2], batch.astype(np.float32))
    assert len(photos) == 3
    np.testing.assert_array_equal(photos.rgb, RECORD.denormalize(photos.batch))


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((16, 16, 3)), "(3, 16, 16)"),
        (np.zeros((1, 1, 16, 16)), "(3, 16, 16)"),
        (np.full((3, 16, 16), np.nan), "NaN"),
        (np.full((3, 16, 16), 1e300), "infinite"),
        (np.zeros((16, 16, 2), np.uint8), "2 channels"),
        (np.zeros((3, 16, 16), np.uint8), "16 channels"),
        (np.zeros((16, 16, 3), np.int64), "int64"),
        (np.zeros((16, 16, 3), bool), "bool"),
        (np.zeros(5, np.uint8), "(5,)"),
        (np.array("photo.jpg"), "dtype"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow")
def test_arrays_that_do_not_fit(array, words):
    message = refused(array, ShapeError)
    assert words in message
    assert message.startswith("image_0: ")


@pytest.mark.parametrize(
    "images", [[], (), np.zeros((0, 8, 8, 3), np.uint8), [[]], None, 5, iter([])]
)
def test_no_images_are_refused_at_once(images):
    refused(images)
    with pytest.raises(InputError):
        count_photos(images)
    with pytest.raises(InputError):
        iter_photos(images, RECORD)


def test_empty_pictures_are_refused():
    assert "no pixels" in refused(np.zeros((0, 5, 3), np.uint8))
    assert "0 x 5" in refused(Image.new("RGB", (0, 5)))


def test_record_and_model_have_to_agree():
    with pytest.raises(ShapeError, match=r"\(3, 16, 16\)"):
        load_photos(picture(), RECORD, (3, 224, 224))


def test_grey_models():
    record = RECORD.replace(channels="GRAY", mean=(0,), std=(1,))
    photos = load_photos(quarters(40, 40), record)
    assert photos.batch.shape == (1, 1, 16, 16)
    assert photos.batch[0, 0, 0, 0] == pytest.approx(0.299, abs=1e-6)
    assert load_photos(np.zeros((16, 16, 1), np.uint8), record).batch.max() == 0


def test_chunks_are_lazy_and_errors_come_when_they_are_reached(tmp_path):
    good = [saved(tmp_path / f"{i}.png", picture(seed=i)) for i in range(5)]
    images = [*good, tmp_path / "missing.png", good[0]]
    assert count_photos(images) == 7
    whole = load_photos(good, RECORD)
    chunks = iter_photos(images, RECORD, (3, 16, 16), batch_size=3)
    first = next(chunks)
    np.testing.assert_array_equal(first.batch, whole.batch[:3])
    second = next(chunks)
    assert second.names == ("3", "4")
    np.testing.assert_array_equal(second.batch, whole.batch[3:])
    with pytest.raises(InputError, match="missing"):
        next(chunks)


def test_names_stay_unique_over_chunks_and_case(tmp_path):
    images = []
    for folder, name in (("a", "x"), ("b", "X"), ("c", "x_1"), ("d", "x")):
        (tmp_path / folder).mkdir()
        images.append(saved(tmp_path / folder / f"{name}.png", picture()))
    names = [chunk.names[0] for chunk in iter_photos(images, RECORD, batch_size=1)]
    assert len({name.casefold() for name in names}) == 4
    assert names[0] == "x"


def test_every_refusal_is_one_of_ours():
    for images in (object(), {"a": 1}, b"bytes", [np.zeros((2, 2)), [1, 2]]):
        with pytest.raises(PysalError):
            load_photos(images, RECORD)
