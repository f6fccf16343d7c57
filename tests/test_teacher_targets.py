"""What scripts/teacher-targets promises that needs neither its downloads nor real faces."""

import io
import os
import struct
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from support.process import run_to_end

ROOT = Path(__file__).resolve().parent.parent
SCRIPT = ROOT / "scripts/teacher-targets"
sys.path.insert(0, str(ROOT / "scripts"))

from teacher.dat import Dat, DatError, packed
from teacher.faces import FROM, TO, PackError, Pictures, crop, resize_weights, samples, tables, to_face
from teacher.targets import Progress, TargetsError, compare, require_writable, write


def tensor(values):
    """Four-dimensional numbers as dlib writes them."""
    return packed(2) + b"".join(map(packed, values.shape)) + values.astype("<f4").tobytes()


def layer(name, values):
    return packed(len(name)) + name.encode() + tensor(values)


@pytest.mark.parametrize(
    ("data", "value"),
    [(b"\x01\x00", 0), (b"\x01\x7f", 127), (b"\x02\x80\x12", 0x1280), (b"\x81\x05", -5), (b"\x83\x00\xea\x00", -0xEA00)],
)
def test_a_packed_number_is_read_as_dlib_writes_it(data, value):
    assert Dat(data).integer() == value
    assert Dat(packed(value)).integer() == value


def test_tensors_are_read_one_after_another():
    first, second = np.arange(24).reshape(1, 2, 3, 4) - 7.5, np.full((300, 1, 1, 1), 0.25)
    dat = Dat(tensor(first) + tensor(second))
    np.testing.assert_array_equal(dat.tensor(), first)
    np.testing.assert_array_equal(dat.tensor(), second)
    assert dat.at == len(dat.data)


def test_a_layer_is_found_by_its_name_but_not_among_the_numbers_of_another():
    decoy = np.frombuffer(packed(5) + b"con_4\x00", "<f4").reshape(2, 1, 1, 1)
    data = b"\x01\x01" + layer("con_4", decoy) + b"\x01\x00" + layer("affine_", np.ones((1, 4, 1, 1))) + layer("con_4", decoy * 2)
    dat = Dat(data)
    np.testing.assert_array_equal(dat.layer("con_4", 2), decoy.ravel())
    np.testing.assert_array_equal(dat.layer("con_4", 2), decoy.ravel() * 2)
    with pytest.raises(DatError, match="affine_"):
        dat.layer("affine_", 4)
    with pytest.raises(DatError, match="4 parameters instead of 5"):
        Dat(data).layer("affine_", 5)


def test_numbers_ahead_of_a_layer_s_tensor_are_checked():
    data = packed(4) + b"fc_2" + packed(2) + packed(3) + tensor(np.ones((3, 2, 1, 1)))
    assert Dat(data).layer("fc_2", 6, (2, 3)).tolist() == [1.0] * 6
    with pytest.raises(DatError, match="begins with"):
        Dat(data).layer("fc_2", 6, (3, 2))


@pytest.mark.parametrize("broken", [tensor(np.ones((1, 2, 1, 1)))[:-1], packed(1) + packed(0) * 4, b"\x00", b"\x49", b""])
def test_bytes_that_are_no_tensor_are_refused(broken):
    with pytest.raises(DatError):
        Dat(broken).tensor()


def test_the_crop_puts_the_anchor_point_where_the_teacher_wants_it():
    for source, target in zip(FROM, TO):
        low, share = samples(source, target)
        places = low + share
        assert np.interp(target, np.arange(150), places) == pytest.approx(source, abs=1e-4)
        # One pixel of the crop is 1/1.109 of the face's.
        assert np.diff(places)[20:120] == pytest.approx(1 / 1.109, abs=1e-4)
        assert 0.0 <= places[0] < 7.0 and places[-1] == 127.0


def test_the_crop_of_a_ramp_is_the_ramp_at_the_anchor_and_goes_on_beyond_the_border():
    across = np.tile(np.arange(128, dtype=np.uint8), (128, 1))
    seen = crop(np.stack([across, across.T]))
    assert seen.shape == (2, 150, 150)
    assert set(seen[0, :, 74]) == {64.0}
    assert set(seen[1, 47, :]) == {49.0} and set(seen[1, 48, :]) == {50.0}
    assert (seen[0, 0, 0], seen[0, 0, -1]) == (0.0, 127.0)


def test_tiles_are_enlarged_as_by_a_bicubic_filter():
    # Of middling greys: what would be under 0 or over 255 between rows and columns is cut off there.
    tile = np.random.default_rng(1).integers(80, 176, (48, 48), dtype=np.uint8)
    wanted = np.asarray(Image.fromarray(tile).resize((128, 128), Image.Resampling.BICUBIC)).astype(int)
    assert np.abs(to_face(tile) - wanted).max() <= 1
    assert resize_weights(200, 128).sum(1) == pytest.approx(1.0)
    face = np.zeros((128, 128), np.uint8)
    assert to_face(face) is face


@pytest.fixture
def sheets(tmp_path):
    """A pack in FER+'s form: three tiles of one grey value each."""
    sheet = np.zeros((48, 144), np.uint8)
    for column, grey in enumerate((10, 20, 30)):
        sheet[:, 48 * column : 48 * (column + 1)] = grey
    Image.fromarray(sheet).save(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("sheet,tile,row,col\na.png,0,0,2\na.png,1,0,0\na.png,2,0,1\n")
    return tmp_path


@pytest.fixture
def archives(tmp_path):
    """A pack in two tables and two archives: pictures that are darker on the left."""
    for name, greys in (("labels", (40, 80)), ("labels_more", (120,))):
        with tarfile.open(tmp_path / f"{name}.tar", "w") as archive:
            for grey in greys:
                picture = np.full((128, 128), grey, np.uint8)
                picture[:, :64] = grey - 20
                data = io.BytesIO()
                Image.fromarray(picture).save(data, "JPEG", quality=95)
                member = tarfile.TarInfo(f"{grey}.jpg")
                member.size = data.tell()
                data.seek(0)
                archive.addfile(member, data)
        (tmp_path / f"{name}.csv").write_text("file,split\n" + "".join(f"{grey}.jpg,train\n" for grey in reversed(greys)))
    return tmp_path


def network(crops):
    """Stands in for the teacher: the mean grey of the left half, 128 times."""
    return np.repeat(crops[:, :, :75].mean((1, 2))[:, None], 128, axis=1)


def written(pack, table, mirror_mean=False):
    path = pack / table.targets
    write(network, Pictures(pack), table, path, mirror_mean, Progress("", 1, quiet=True))
    return path


def test_descriptors_come_in_the_order_of_the_table(sheets):
    (table,) = tables(sheets)
    path = written(sheets, table)
    assert path.name == "labels.dlib128.f16"
    assert path.read_bytes() == b"".join(struct.pack("<e", grey) * 128 for grey in (30, 10, 20))
    assert not list(sheets.glob(".*"))


def test_each_table_has_a_file_and_mirror_images_count_when_asked_for(archives):
    assert [table.targets for table in tables(archives)] == ["labels.dlib128.f16", "labels_more.dlib128.f16"]
    for table, greys in zip(tables(archives), ((80, 40), (120,))):
        plain = np.fromfile(written(archives, table), "<f2").reshape(-1, 128)[:, 0]
        both = np.fromfile(written(archives, table, mirror_mean=True), "<f2").reshape(-1, 128)[:, 0]
        assert plain == pytest.approx([grey - 20 for grey in greys], abs=3)
        assert both == pytest.approx([grey - 10 for grey in greys], abs=2)


def test_a_check_tells_what_agrees_from_what_does_not(sheets):
    (table,) = tables(sheets)
    path = written(sheets, table)

    def cosines(rows):
        return compare(network, Pictures(sheets), table, path, rows, False, Progress("", 1, quiet=True))

    assert cosines(200) == pytest.approx([1.0] * 3)
    assert len(cosines(2)) == 2
    values = np.fromfile(path, "<f2")
    values[:128] = 0.0
    values[-128:] *= -1
    values.tofile(path)
    assert cosines(3) == pytest.approx([-1.0, 1.0, -1.0])
    path.write_bytes(path.read_bytes()[:-2])
    with pytest.raises(TargetsError, match="3 rows"):
        cosines(3)


def test_a_run_that_fails_leaves_the_file_as_it_was(sheets):
    (table,) = tables(sheets)
    path = sheets / table.targets
    path.write_bytes(b"before")
    with pytest.raises(TargetsError, match="not a number"):
        write(lambda crops: network(crops) * np.nan, Pictures(sheets), table, path, False, Progress("", 1, quiet=True))
    assert path.read_bytes() == b"before"
    assert sorted(entry.name for entry in sheets.iterdir()) == ["a.png", "labels.csv", path.name]


def test_pictures_that_are_missing_or_broken_are_named(sheets, archives):
    # Both packs are in one folder here; labels.csv is that of the archives.
    first = tables(archives)[0]
    first.keys.append("none.jpg")
    with pytest.raises(PackError, match=r"row 3: 'none.jpg' is in no archive"):
        Pictures(archives).require(first)
    first.keys[:] = [("a.png", 1, 0)]
    with pytest.raises(PackError, match=r"tile \(1, 0\) is not on a.png"):
        Pictures(archives).require(first)
    (archives / "a.png").write_bytes(b"no picture")
    with pytest.raises(PackError, match=r"a.png cannot be read as a picture"):
        Pictures(archives).require(first)
    (archives / "labels.tar").write_bytes(b"no archive")
    with pytest.raises(PackError, match=r"labels.tar cannot be read"):
        Pictures(archives)
    (archives / "labels.csv").write_text("name,split\na,train\n")
    with pytest.raises(PackError, match="no column 'file'; it has: name, split"):
        tables(archives)


def test_a_folder_that_nobody_may_write_to_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    with pytest.raises(TargetsError, match="--out"):
        require_writable(tmp_path)
    tmp_path.chmod(0o755)
    require_writable(tmp_path / "new/folder")
    assert os.listdir(tmp_path) == ["new"]


def run(*words):
    return run_to_end([SCRIPT, *words])


def test_a_missing_pack_is_refused_before_anything_is_installed(tmp_path):
    refused = run(tmp_path / "none", "--prefix", tmp_path / "prefix")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "there is no labels.csv" in refused.stderr and str(tmp_path / "none") in refused.stderr
    assert not (tmp_path / "prefix").exists()


def test_the_script_explains_itself_and_refuses_what_it_does_not_know(tmp_path):
    shown = run("--help")
    assert shown.returncode == 0 and "usage:" in shown.stdout and "examples:" in shown.stdout
    for words, told in (
        ([], "which pack"),
        ([tmp_path, "--no-such-option"], "--no-such-option"),
        ([tmp_path, "--check", "0"], "at least 1"),
        ([tmp_path, "--check", "many"], "'many'"),
        ([tmp_path, "--threads"], "needs a value"),
        ([tmp_path, tmp_path], "one pack"),
    ):
        refused = run(*words)
        assert refused.returncode == 2 and told in refused.stderr, (words, refused.stderr)
