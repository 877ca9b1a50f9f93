"""What the CUDA kernels accept, what they refuse, and what they say."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from placing import LAYOUTS, DLPack, Interface

from pysal import kernels
from pysal.errors import MissingDependencyError, OptionError, ShapeError
from pysal.kernels import cuda
from pysal.types import Noise

IMAGE = np.zeros((2, 3, 8, 8), np.float32)
MASKS = np.zeros((2, 4, 5, 5), np.float32)
GRAD = np.zeros((2, 4, 3, 8, 8), np.float32)
SEEDS = np.zeros(2, np.uint64)


@pytest.fixture
def module(emulated, monkeypatch):
    monkeypatch.setattr(cuda, "_load", lambda: emulated)
    return emulated


def wrap(value):
    """Arrays on the device, other things as they are."""
    return Interface.Array(value) if isinstance(value, np.ndarray) else value


BLEND_ERRORS = [
    ({"image": IMAGE.astype(np.float64)}, "image is float64"),
    ({"image": IMAGE[0]}, "4 axes"),
    ({"baseline": [1.0]}, "baseline is a list"),
    ({"baseline": IMAGE[:1]}, "one baseline per image"),
    ({"masks": MASKS[:1]}, r"expected \(2, S, h, w\)"),
    ({"masks": MASKS[:, :, :0]}, r"expected \(2, S, h, w\)"),
    ({"nodes": [1.0] * 4}, r"expected \(2, 1, h, w\)"),
    ({"nodes": [[1.0]], "masks": MASKS[:, :1]}, "one value per node"),
    ({"noise": Noise(np.ones(2, np.float32), SEEDS)}, "one per channel"),
    ({"noise": Noise(np.ones(3, np.float32), SEEDS[:1])}, "one per image"),
    ({"out": GRAD[..., :7]}, "out is float32 of shape"),
    ({"out": GRAD.astype(np.float64)}, "out is float64"),
    ({"out": np.broadcast_to(GRAD, GRAD.shape)}, "read-only"),
    ({"image": IMAGE.view(np.dtype("V1")).view(">f4")}, "byte-swapped"),
]


@pytest.mark.parametrize(("change", "message"), BLEND_ERRORS)
def test_blend_refuses(module, change, message):
    given = {"image": IMAGE, "baseline": IMAGE, "masks": MASKS, "out": GRAD} | change
    with pytest.raises(ShapeError, match=message):
        cuda.blend(**{name: wrap(value) for name, value in given.items()})


def test_outputs_that_share_memory_are_refused(module):
    class Writable(Interface.Array):
        @property
        def __cuda_array_interface__(self):
            return super().__cuda_array_interface__ | {"data": (self.array.ctypes.data, False)}

    out = Writable(np.broadcast_to(GRAD[:, :1], GRAD.shape))
    with pytest.raises(ShapeError, match="share no memory"):
        cuda.blend(wrap(IMAGE), wrap(IMAGE), wrap(MASKS), out=out)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grad": GRAD.astype(np.float64)}, "grad is float64"),
        ({"grad": GRAD[:, :3]}, "for 4 weights"),
        ({"image": IMAGE[..., :7]}, "one baseline per image"),
        ({"weights": [[1.0]] * 4}, "one value per node"),
        ({"size": (0, 4)}, "at least one row"),
        ({"out": np.zeros((2, 4, 5), np.float32)}, r"of shape \(2, 4, 4\)"),
    ],
)
def test_path_accumulate_refuses(module, change, message):
    given = {"grad": GRAD, "image": IMAGE, "baseline": IMAGE, "weights": [1.0] * 4, "size": (4, 4)}
    with pytest.raises(ShapeError, match=message):
        cuda.path_accumulate(**{name: wrap(value) for name, value in (given | change).items()})


def test_tv_refuses(module):
    masks = np.zeros((1, 4, 4), np.float32)
    with pytest.raises(ShapeError, match="float32 array with 3 axes"):
        cuda.tv(wrap(masks[0]))
    with pytest.raises(ShapeError, match="at least 1"):
        cuda.tv(wrap(masks[:, :0]))
    for exponent in (0.0, -1.0, float("nan")):
        with pytest.raises(OptionError, match="positive"):
            cuda.tv(wrap(masks), exponent=exponent)
    with pytest.raises(OptionError, match='use "mean" or "sum"'):
        cuda.tv(wrap(masks), reduction="max")
    value = np.zeros(1, np.float32)
    with pytest.raises(ShapeError, match="expected writable float64"):
        cuda.tv(wrap(masks), out=(wrap(value), wrap(masks)))


@pytest.mark.parametrize("change", [{"first_node": -1}, {"first_node": 2**32}])
def test_counters_outside_their_word(module, change):
    with pytest.raises(OptionError, match="expected an integer from 0"):
        cuda.blend(wrap(IMAGE), wrap(IMAGE), wrap(MASKS), **change)


def test_results_of_other_libraries_need_out(module):
    with pytest.raises(OptionError, match=r"give out, a float32 array of shape \(2, 4, 3, 8, 8\)"):
        cuda.blend(wrap(IMAGE), wrap(IMAGE), wrap(MASKS))


def test_torch_results_are_tensors(module, draw):
    image, masks = torch.from_numpy(draw(2, 3, 8, 8)), torch.from_numpy(draw(2, 4, 5, 5))
    out = cuda.blend(image, image * 0, masks.requires_grad_())
    expected = kernels.blend(image.numpy(), 0 * image.numpy(), masks.detach().numpy())
    assert_array_equal(out.numpy(), expected)
    assert not out.requires_grad
    grad = cuda.path_accumulate(out, image, image * 0, np.ones(4), (5, 5))
    assert grad.shape == (2, 5, 5)
    value, slope = cuda.tv(masks[0])
    assert (value.dtype, slope.dtype) == (torch.float64, torch.float32)


def test_empty_batches(library):
    for n, s in ((0, 3), (2, 0), (0, 0)):
        image, out = np.zeros((n, 3, 8, 8), np.float32), np.zeros((n, s, 3, 8, 8), np.float32)
        masks, out = library.put(np.zeros((n, s, 4, 4), np.float32)), library.put(out)
        assert cuda.blend(library.put(image), library.put(image), masks, out=out) is out
    value, grad = library.put(np.zeros(0)), library.put(np.zeros((0, 4, 4), np.float32))
    cuda.tv(library.put(np.zeros((0, 4, 4), np.float32)), out=(value, grad))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_library(library, draw, layout):
    image, baseline, masks = draw(2, 3, 12, 16), draw(2, 3, 12, 16), draw(2, 2, 5, 6)
    host = kernels.blend(image, baseline, masks)
    on_device = [library.put(a, layout) for a in (image, baseline, masks)]
    out = None if library.makes_results else library.put(np.full_like(host, np.nan), layout)
    out = cuda.blend(*on_device, out=out)
    assert_array_equal(library.get(out), host)
    target = None if library.makes_results else library.put(np.full((2, 5, 6), np.nan, "f4"))
    grad = cuda.path_accumulate(out, *on_device[:2], [0.5, 2], (5, 6), out=target)
    wanted = kernels.path_accumulate(host, image, baseline, [0.5, 2], (5, 6))
    assert_allclose(library.get(grad), wanted, atol=1e-5 * np.abs(wanted).max())
    given = None if library.makes_results else (library.put(np.zeros(2)), library.put(masks[0]))
    value, slope = cuda.tv(library.put(masks[0], layout), out=given)
    assert_allclose(library.get(value), kernels.tv(masks[0])[0], rtol=1e-6)
    assert_allclose(library.get(slope), kernels.tv(masks[0])[1], atol=1e-6)


@pytest.mark.gpu
def test_gpu():
    """Without one, the reason why the tests of this folder ran on the emulation alone."""
    if cuda.available():
        pytest.skip(cuda.available())


def test_a_capsule_is_taken_once_and_given_back(module):
    import gc
    import weakref

    array = np.zeros((2, 3), np.float32)
    alive = weakref.ref(array)
    for options in ({}, {"max_version": (1, 0)}):
        capsule = array.__dlpack__(**options)
        view = module.open_dlpack(capsule)
        assert (view.pointer, view.shape, view.strides) == (array.ctypes.data, (2, 3), (3, 1))
        assert (view.dtype, view.readonly, view.device) == ("float32", False, 0)
        with pytest.raises(ValueError, match="has been taken"):
            module.open_dlpack(capsule)
    del array, capsule
    gc.collect()
    assert alive() is not None
    del view
    gc.collect()
    assert alive() is None


def test_a_read_only_capsule(module):
    array = np.zeros(3, np.float32)
    array.flags.writeable = False
    assert module.open_dlpack(array.__dlpack__(max_version=(1, 0))).readonly


def test_dtypes_of_capsules(module):
    for dtype in ("float16", "float64", "int32", "uint8", "bool", "complex64"):
        assert module.open_dlpack(np.zeros(3, dtype).__dlpack__()).dtype.startswith(dtype)


@pytest.mark.parametrize("rejects", ["max_version", "stream"])
def test_older_producers(rejects):
    """Which options a producer knows, is tried from new to old."""
    from pysal.kernels import cuda_arrays

    class Old:
        def __dlpack_device__(self):
            return (2, 0)

        def __dlpack__(self, **options):
            if rejects in options or (rejects == "stream" and options):
                raise TypeError
            return options

    expected = {} if rejects == "stream" else {"stream": 1}
    assert cuda_arrays._capsule(Old(), 0) == expected


def test_arrays_of_the_host_are_refused(module, monkeypatch):
    class Real:
        emulated = False

    monkeypatch.setattr(cuda, "_load", Real)
    for array in (torch.zeros(1, 4, 4), DLPack.Array(np.zeros((1, 4, 4), np.float32))):
        with pytest.raises(ShapeError, match="in the memory of the host"):
            cuda.tv(array)


def test_arrays_on_two_devices_are_refused(module, monkeypatch):
    """The emulation has one device; views can name another."""
    from pysal.kernels import cuda_arrays

    def view(module, name, array, stream):
        return module.View(array.ctypes.data, array.shape, None, "float32", False, name == "masks")

    monkeypatch.setattr(cuda_arrays, "_view", view)
    with pytest.raises(ShapeError, match="masks is on CUDA device 1, image on device 0"):
        cuda.blend(IMAGE, IMAGE, MASKS, out=GRAD)


def test_bindings_check_again(module):
    def view(array, **change):
        given = {"pointer": array.ctypes.data, "shape": array.shape, "dtype": "float32"} | change
        return module.View(given.pop("pointer"), given.pop("shape"), None, **given)

    image, masks, out, rest = view(IMAGE), view(MASKS), view(GRAD), (None, 0, None, None, 0)
    for arrays, message in (
        ((image, image, masks, *rest, view(GRAD[:1])), "out must be"),
        ((image, image, view(MASKS[:1]), *rest, out), "one row per image"),
        ((image, image, masks, None, 0, np.ones(3, np.float32), None, 0, out), "noise_seed"),
        ((view(IMAGE, dtype="float64"), image, masks, *rest, out), "wrong dtype"),
        ((image, image, view(MASKS, device=1), *rest, out), "different devices"),
        ((image, image, masks, *rest, view(GRAD, readonly=True)), "read-only"),
        ((view(IMAGE, pointer=IMAGE.ctypes.data + 1), image, masks, *rest, out), "not aligned"),
        ((view(IMAGE[0]), image, masks, *rest, out), "number of axes"),
    ):
        with pytest.raises(ValueError, match=message):
            module.blend(*arrays, 0)
    huge = module.View(IMAGE.ctypes.data, (1, 3, 2, 2), (0, 2**30, 2, 1), "float32")
    small = module.View(MASKS.ctypes.data, (1, 1, 1, 1), None, "float32")
    target = module.View(GRAD.ctypes.data, (1, 1, 3, 2, 2), None, "float32")
    with pytest.raises(ValueError, match=r"spans 2\*\*31 elements"):
        module.blend(huge, huge, small, *rest, target, 0)
    with pytest.raises(ValueError, match="pointer is null"):
        module.View(0, (1,), None, "float32")


def test_missing_module_is_an_error(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pysal._cuda", None)
    with pytest.raises(MissingDependencyError, match="rebuild with -DPYSAL_CUDA=ON"):
        cuda.tv(wrap(np.zeros((1, 4, 4), np.float32)))
    assert cuda.available() == cuda.describe()
    assert cuda.available().startswith("built without CUDA kernels (-DPYSAL_CUDA=ON builds them")


def test_says_what_there_is(module, monkeypatch):
    assert cuda.available() == ""
    assert cuda.describe() == "compiled (emulated), emulated on the CPU"

    class NoDevice:
        architectures = ("sm_75", "sm_90")

        device_count = staticmethod(lambda: 0)
        device_error = staticmethod(lambda: "unknown error")
        driver_version = staticmethod(lambda: 12040)

    monkeypatch.setattr(cuda, "_load", NoDevice)
    assert cuda.available() == "no CUDA device (driver for CUDA 12.4: unknown error)"
    assert cuda.describe() == f"compiled (sm_75 ... sm_90), {cuda.available()}"
    monkeypatch.setattr(NoDevice, "driver_version", staticmethod(lambda: 0))
    assert cuda.available() == "no CUDA device (no driver)"
