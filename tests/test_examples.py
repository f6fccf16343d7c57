"""The examples of crates/engine, run as their first lines say."""


from PIL import Image as Picture

from support.documents import ROOT
from support.process import PATIENCE_S, run_to_end

MODEL = ROOT / "models/default"


def run(program, name, *words):
    return run_to_end([program(f"examples/{name}"), *words], timeout=4 * PATIENCE_S)


def test_a_video_is_answered_line_by_line(program, medium):
    done = run(program, "answer_a_video", MODEL, medium("single_face.mp4"))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) > 2 and all("gender" in line and "%" in line for line in lines[1:]), done.stdout


def test_a_task_is_taught_from_folders_and_a_wrong_call_says_how(program, astronaut, tmp_path):
    for label, mirrored in (("here", False), ("there", True)):
        folder = tmp_path / "faces" / label
        folder.mkdir(parents=True)
        for number in range(3):
            picture = Picture.fromarray(astronaut[:, :, ::-1])
            picture = picture.transpose(Picture.Transpose.FLIP_LEFT_RIGHT) if mirrored else picture
            picture.rotate(number).save(folder / f"{number}.png")
    done = run(program, "teach_a_task", MODEL, tmp_path / "state", "place", tmp_path / "faces")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("place@1: ") and "bit for bit as before: true" in done.stdout
    done = run(program, "teach_a_task", MODEL)
    assert done.returncode == 1 and "usage: teach_a_task MODEL STATE NAME FOLDER" in done.stderr
