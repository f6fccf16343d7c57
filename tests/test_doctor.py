"""`face_attributes_node --doctor`: one page of what a node would see, and what to do."""

from support import pictures
from support.camera import Camera
from support.process import run_to_end


def examined(program, environment, model, tmp_path, image):
    words = ["--doctor", "6", "--ros-args", "-r", "__ns:=/clinic", "-r", f"image:={image}", "-p", f"model:={model}"]
    words += ["-p", f"state_dir:={tmp_path / 'state'}", "-p", "device:=cpu"]
    return run_to_end([program("face_attributes_node"), *words], environment)


def test_a_good_set_up_is_told_on_one_page(program, environment, model, tmp_path, peer, astronaut):
    with Camera(peer, [pictures.bgr8(astronaut)], topic="/clinic/image_raw"):
        ended = examined(program, environment, model, tmp_path, "/clinic/image_raw")
    page = ended.stdout
    assert ended.returncode == 0, page + ended.stderr
    lines = {line.split()[0]: line for line in page.splitlines() if line and not line.startswith(" ")}
    assert "/clinic/image_raw (sensor_msgs/msg/Image)" in lines["camera"], page
    assert "/clinic/image_raw is published by" in page and "BestEffort" in page, page
    assert "0 not usable" in lines["pictures"] and "512×512, bgr8, frame 'test_camera'" in page, page
    assert "in 100% of the pictures" in lines["faces"] and "brightness" in lines["quality"], page
    assert "mood" in lines["model"] and str(tmp_path / "state") in lines["state"], page
    assert page.splitlines()[-1].split() == ["to", "do", "nothing"], page
    assert len(page.splitlines()) < 25


def test_a_wrong_topic_is_told_with_the_right_one(program, environment, model, tmp_path, peer, astronaut):
    with Camera(peer, [pictures.bgr8(astronaut)], topic="/clinic/image_raw"):
        ended = examined(program, environment, model, tmp_path, "/clinic/picture")
    assert ended.returncode == 1, ended.stdout + ended.stderr
    assert "start the node with -r image:=/clinic/image_raw" in ended.stdout, ended.stdout
