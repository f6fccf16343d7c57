"""The page in a real browser (Chromium), on recorded video: two people are named, taught and recognised by clicks alone."""

import os
import shutil
import time
from pathlib import Path

import pytest
from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import ParameterType, ParameterValue
from rcl_interfaces.srv import SetParameters

from conftest import ROOT
from support.node import FaceNode
from support.process import PATIENCE_S, Process, free_port

sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed: run scripts/setup")

SIZE, RATE_HZ = "640x480", 15
# Playwright counts milliseconds.
PATIENCE_MS = 1000 * PATIENCE_S
FILMS = ("single_face.mp4", "WolfgangLanger_Pexels.mp4", "franck.mp4")


def set_parameter(peer, name, value):
    kind = ParameterType.PARAMETER_DOUBLE
    wanted = ParameterMessage(name=name, value=ParameterValue(type=kind, double_value=value))
    (result,) = peer.call(SetParameters, "face_attributes/set_parameters", parameters=[wanted]).results
    assert result.successful, result.reason


@pytest.fixture(scope="module")
def browser():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not chromium:
        pytest.skip("there is no Chromium (Debian: apt-get install chromium)")
    with sync_api.sync_playwright() as playwright:
        # As root it does not start with its sandbox.
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def node(program, environment, tmp_path_factory):
    """The node with the model that ships, and its page."""
    folder = tmp_path_factory.mktemp("paged")
    options = {"model": ROOT / "models/default", "device": "cpu", "page.port": free_port()}
    node = FaceNode(program("face_attributes_node"), folder, environment, **options)
    node.start()
    yield node
    if node.process:
        node.process.kill()


@pytest.fixture(scope="module")
def film(program, environment, medium, tmp_path_factory):
    """Three people beside each other, without end."""
    command = [program("image_stream"), "--namespace", "face", "--rate", str(RATE_HZ), "--size", SIZE, "--quiet"]
    stream = Process([*command, *map(medium, FILMS)], tmp_path_factory.mktemp("film") / "image_stream.log", environment)
    yield stream
    stream.stop()


@pytest.fixture
def page(browser, node, film):
    """The page in a window of its own; an error of its scripts, or a thing from elsewhere, fails the test."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    # A refused request is on the console, too, and is shown on the page.
    page.on("console", lambda said: "Content Security" in said.text and wrong.append(said.text))
    page.goto(node.page())
    yield page
    context.close()
    assert wrong == []


def found(page, name, **attributes):
    return page.locator(f'[data-test="{name}"]' + "".join(f'[data-{key}="{value}"]' for key, value in attributes.items()))


def expect(locator):
    return sync_api.expect(locator)


def faces_from_left(page, count):
    """Tracks in view, from the left, once there are so many."""
    buttons = found(page, "face")
    expect(buttons).to_have_count(count, timeout=PATIENCE_MS)
    places = [(button.bounding_box()["x"], button.get_attribute("data-track")) for button in buttons.all()]
    return [track for _, track in sorted(places)]


def mark_alone(page, track):
    """Marks one face and no other."""
    for button in found(page, "face").all():
        wanted = button.get_attribute("data-track") == track
        if (button.get_attribute("aria-pressed") == "true") != wanted:
            button.click()


def hold_capture(page, seconds):
    box = found(page, "capture").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.wait_for_timeout(1000 * seconds)
    page.mouse.up()


def answer(page, track, task):
    card = found(page, "face-card", track=track)
    return card.locator(f'[data-test="answer"][data-task="{task}"]').locator('[data-test="answer-label"]')


def wait_for_answer(page, track, task, label):
    expect(answer(page, track, task)).to_contain_text(label, timeout=PATIENCE_MS)


def photograph(page, name):
    """A picture for the documents, where FACE_ATTRIBUTES_SCREENSHOTS names a folder. Nobody is in it: pictures become grey."""
    folder = os.environ.get("FACE_ATTRIBUTES_SCREENSHOTS")
    if folder:
        grey = "filter => document.querySelectorAll('canvas, img').forEach(shown => shown.style.filter = filter)"
        page.evaluate(grey, "contrast(0)")
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=Path(folder) / f"{name}.jpg", type="jpeg", quality=80)
        page.evaluate(grey, "")


def confirm(page):
    found(page, "confirm").click()
    expect(found(page, "dialog")).to_be_hidden()


def test_two_people_are_named_taught_recognised_and_removed_on_the_page_alone(page, node, tmp_path):
    begun = time.monotonic()
    first, second, third = faces_from_left(page, 3)
    found(page, "task-input").fill("who")
    found(page, "kind-identity").check()
    for track, label in ((first, "alex"), (second, "robin")):
        mark_alone(page, track)
        found(page, "label-input").fill(label)
        hold_capture(page, 1.5)
        expect(found(page, "crop").first).to_be_visible()
    crops = found(page, "crop")
    page.wait_for_timeout(500)
    before = crops.count()
    found(page, "crop-delete").first.click()
    confirm(page)
    expect(crops).to_have_count(before - 1)

    found(page, "teach").click()
    row = found(page, "task-row", task="who")
    expect(row.locator('[data-test="accuracy"]')).to_contain_text("held-back samples right", timeout=PATIENCE_MS)
    expect(row.locator('[data-test="promise"]')).to_contain_text("bit for bit")
    wait_for_answer(page, first, "who", "alex")
    wait_for_answer(page, second, "who", "robin")
    wait_for_answer(page, third, "who", "unknown")

    photograph(page, "desk")

    # Teach again, take it away as a file, and have it removed.
    row.locator('[data-test="task-retrain"]').click()
    expect(row.locator('[data-test="task-version"]')).to_contain_text("2", timeout=PATIENCE_MS)
    row.locator('[data-test="task-export"]').click()
    with page.expect_download() as download:
        found(page, "confirm").click()
    saved = tmp_path / "who.tar"
    download.value.save_as(saved)
    assert saved.stat().st_size > 10_000
    row.locator('[data-test="task-remove"]').click()
    confirm(page)
    expect(row).to_have_count(0)
    assert not any(path.name == "who" for path in node.state_dir.glob("samples/*"))
    print(f"page: two people named, taught, recognised, removed in {time.monotonic() - begun:.0f} s")

    # It comes back from the file.
    found(page, "task-import").click()
    found(page, "import-file").set_input_files(saved)
    confirm(page)
    expect(row).to_have_count(1)
    wait_for_answer(page, first, "who", "alex")
    row.locator('[data-test="task-remove"]').click()
    confirm(page)
    expect(row).to_have_count(0)
    assert list((node.state_dir / "exchange").glob(".page-*")) == []


def test_an_open_page_outlives_its_node(page, node):
    faces_from_left(page, 3)
    found(page, "label-input").fill("kept while the node is away")
    node.process.kill()
    expect(found(page, "banner", banner="connection")).to_be_visible()
    node.start()
    expect(found(page, "banner", banner="connection")).to_have_count(0)
    faces_from_left(page, 3)
    expect(found(page, "label-input")).to_have_value("kept while the node is away")


def test_what_one_page_does_another_shows(page, browser, node):
    other = browser.new_context().new_page()
    other.set_default_timeout(PATIENCE_MS)
    other.goto(node.page())
    track = faces_from_left(page, 3)[0]
    hostile = "<script>document.title='taken'</script>"
    found(page, "task-input").fill("mood_of_today")
    found(page, "label-input").fill(hostile)
    mark_alone(page, track)
    found(page, "capture").click()
    expect(found(page, "capture-status")).to_contain_text("crop")
    row = found(other, "task-row", task="mood_of_today")
    expect(row).to_contain_text(hostile)
    assert "taken" not in (page.title(), other.title())
    other.reload()
    expect(row).to_contain_text(hostile)
    row.locator('[data-test="task-forget"]').click()
    confirm(other)
    expect(row).to_have_count(0)
    expect(found(page, "task-row", task="mood_of_today")).to_have_count(0)
    other.context.close()


def test_where_a_task_looks_is_shown_for_the_face_that_was_asked_about(page):
    track = faces_from_left(page, 3)[0]
    found(page, "explain", track=track, task="emotion").click()
    picture = found(page, "explanation-picture")
    expect(picture).to_be_visible(timeout=PATIENCE_MS)
    assert picture.evaluate("shown => shown.naturalWidth") == 640
    found(page, "explanation-close").click()


def test_of_more_viewers_than_may_look_the_last_is_told_so(page, node):
    opened = """count => Promise.all([...Array(count)].map(() => new Promise(done => {
        const socket = new WebSocket(`ws://${location.host}/live`);
        socket.onmessage = ({ data }) => typeof data === "string" && data.includes('"refused"') && done(data);
        setTimeout(done, 3000, "");
        setTimeout(() => socket.close(), 3500);
    })))"""
    said = [text for text in page.evaluate(opened, 9) if text]
    assert said and all("8 people look at the page already" in text for text in said)


def test_a_refusal_is_told_in_the_words_of_the_service(page, tmp_path):
    rubbish = tmp_path / "rubbish.tar"
    rubbish.write_bytes(b"no archive " * 100)
    found(page, "task-import").click()
    found(page, "import-file").set_input_files(rubbish)
    found(page, "confirm").click()
    expect(found(page, "dialog-error")).to_contain_text("this is no archive of a task")
    found(page, "dialog-cancel").click()
    # What ships cannot be taught: the page says so before anybody asks.
    found(page, "task-input").fill("emotion")
    found(page, "label-input").fill("mine")
    expect(found(page, "capture")).to_have_attribute("aria-disabled", "true")


def test_a_slow_network_shows_the_newest_picture_and_lets_people_type(page):
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    slow = {"offline": False, "latency": 300, "downloadThroughput": 60_000, "uploadThroughput": 20_000}
    session.send("Network.emulateNetworkConditions", slow)
    page.wait_for_timeout(3000)
    begun = time.monotonic()
    found(page, "task-input").fill("typed_on_a_slow_network")
    assert time.monotonic() - begun < 2.0
    expect(found(page, "picture", state="live")).to_be_visible()


COUNTED = """seconds => new Promise(done => {
    const socket = new WebSocket(`ws://${location.host}/live`);
    let count = 0;
    socket.onmessage = message => { count += typeof message.data !== "string"; };
    setTimeout(() => { socket.close(); done(count / seconds); }, 1000 * seconds);
})"""


def test_pictures_come_as_often_as_is_set_while_the_node_runs(page, node, peer):
    faces_from_left(page, 3)

    def rate(rate_hz):
        set_parameter(peer, "page.rate_hz", rate_hz)
        return page.evaluate(COUNTED, 4)

    # Before them comes one that is there already.
    assert rate(1.0) <= 1.6
    assert rate(10.0) > 2.0


def test_a_4k_picture_is_shown_smaller_with_its_faces_where_they_are(browser, program, environment, medium, tmp_path):
    options = {"model": ROOT / "models/default", "device": "cpu", "page.port": free_port()}
    node = FaceNode(program("face_attributes_node"), tmp_path, environment, namespace="/large", **options)
    command = [program("image_stream"), "--namespace", "large", "--rate", "4", "--size", "3840x2160", "--quiet"]
    context = browser.new_context()
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    stream = Process([*command, medium(FILMS[0])], tmp_path / "image_stream.log", environment)
    try:
        node.start()
        page.goto(node.page())
        faces_from_left(page, 1)
        shown, face = found(page, "picture").bounding_box(), found(page, "face").bounding_box()
        assert shown["x"] < face["x"] and face["x"] + face["width"] < shown["x"] + shown["width"]
        begun = time.monotonic()
        found(page, "label-input").fill("typed beside a large picture")
        assert page.evaluate("document.querySelector('canvas').width") <= 960
        assert time.monotonic() - begun < PATIENCE_S
    finally:
        stream.stop()
        assert node.process.stop() == 0
        context.close()


def test_the_page_fits_a_telephone_and_is_named_for_those_who_do_not_see_it(browser, node, film):
    for width, scheme in ((360, "light"), (360, "dark"), (1400, "dark")):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(node.page())
        faces_from_left(page, 3)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        unnamed = page.evaluate(
            """() => [...document.querySelectorAll('button, input, select, summary')]
                .filter(control => control.checkVisibility() && !(control.ariaLabel || control.labels?.length
                    || control.textContent.trim() || control.getAttribute('aria-labelledby')))
                .map(control => control.outerHTML)"""
        )
        assert unnamed == []
        context.close()
