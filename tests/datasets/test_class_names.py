import pytest

from pysal.datasets.class_names import class_names
from pysal.errors import InputError, OptionError

NAMES = ["tench, Tinca tinca", "crane", "great white shark, white shark", "crane", "maillot, suit"]


@pytest.fixture(params=["names", "synsets", "numbered", "sequence"])
def table(request, tmp_path):
    path = tmp_path / "classes.txt"
    lines = {
        "names": NAMES,
        "synsets": [f"n{k:08d} {name}" for k, name in enumerate(NAMES)],
        "numbered": ["id,name", *(f"{k},{name}" for k, name in enumerate(NAMES))],
    }
    if request.param == "sequence":
        return class_names(NAMES)
    path.write_text("\n".join(lines[request.param]) + "\n\n")
    return class_names(path)


def test_lists_are_known_by_whole_names_parts_and_index(table):
    assert table.num_classes == 5
    assert table.find("tench, Tinca tinca", "x") == (0,)
    assert table.find(" TENCH ", "x") == (0,)
    assert table.find_one("white shark", "x") == 2
    assert table.find_one("4", "x") == 4


def test_names_of_several_classes_are_refused(table):
    with pytest.raises(InputError, match=r'here: class "crane" is the name of several'):
        table.find("crane", "here")


def test_unknown_names_get_a_hint(table):
    with pytest.raises(InputError, match=r'here: class "tensh" is unknown; did you mean "tench"'):
        table.find("tensh", "here")
    with pytest.raises(InputError, match=r'class "xyzzy" is unknown; give an index'):
        table.find("xyzzy", "here")


@pytest.mark.parametrize("text", ["5", "-1"])
def test_indices_are_checked(table, text):
    with pytest.raises(InputError, match=rf"here: label is {text}; expected 0 to 4"):
        table.find(text, "here")


def test_synsets_are_names(tmp_path):
    path = tmp_path / "synsets.txt"
    path.write_text("n01440764 tench, Tinca tinca\nn01443537\n")
    table = class_names(path)
    assert table.find("n01440764", "x") == (0,)
    assert table.find("n01443537", "x") == (1,)


def test_whole_names_win_over_parts():
    table = class_names(["maillot", "maillot, tank suit"])
    assert table.find("maillot", "x") == (0,)
    assert table.find("tank suit", "x") == (1,)


def test_mappings_may_mean_several_classes():
    table = class_names({"Dog": [151, 152], "cat": 281})
    assert table.find("dog", "x") == (151, 152)
    with pytest.raises(InputError, match="stands for 2 classes"):
        table.find_one("dog", "x")
    assert table.find_one("cat", "x") == 281
    for bad in (-1, [0, -2], ["a"]):
        with pytest.raises(OptionError, match='classes of "cat"'):
            class_names({"cat": bad})


def test_numbers_and_nothing():
    assert class_names(3).find("2", "x") == (2,)
    with pytest.raises(InputError, match="expected 0 to 2"):
        class_names(3).find("3", "x")
    assert class_names(None).find("70000", "x") == (70000,)
    with pytest.raises(InputError, match="expected 0 or more"):
        class_names(None).find("-3", "x")
    with pytest.raises(OptionError, match="classes is 0"):
        class_names(0)


def test_file_must_be_text(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: No such file"):
        class_names(tmp_path / "none.txt")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text"):
        class_names(tmp_path / "bytes.txt")


def test_all_names_of_imagenet_are_found(data):
    path = data / "imagenet_labels.txt"
    table = class_names(path)
    assert table.num_classes == 1000
    lines = path.read_text().splitlines()[-1000:]
    for index, line in enumerate(lines):
        name = line.split(",", 1)[1]
        if name not in ("crane", "maillot"):
            assert table.find(name, "x") == (index,)
