"""Parameter files that other nodes share, and what they may say of this one."""

import pytest
from diagnostic_msgs.msg import DiagnosticArray
from face_attributes.msg import FaceAttributesArray
from rcl_interfaces.srv import GetParameters
from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

from support import pictures
from support.camera import Camera
from support.process import run_to_end, wait_until

FOREIGN = """
/**:
  ros__parameters:
    lens_distortion: 0.5
    refresh_hz: 3.0
    start_type_description_service: false
/camera:
  ros__parameters:
    rate: 30
"""


def written(folder, text):
    file = folder / "parameters.yaml"
    file.write_text(text)
    return file


def test_parameters_of_other_nodes_in_a_shared_file_are_told_and_left_alone(new_node, tmp_path):
    node = new_node(namespace="/shared")
    node.extra = ["--params-file", written(tmp_path, FOREIGN)]
    node.start()
    told = "no parameters of this one: lens_distortion, refresh_hz (is scheduler.refresh_hz meant?)"
    assert told in node.process.output(), node.process.tail()
    assert node.process.stop() == 0


@pytest.mark.parametrize("section", ["/**/face_attributes", "/*/face_attributes", "/named/face_attributes", "face_attributes"])
def test_a_section_is_for_the_node_that_it_names_and_refuses_unknown_names(
    section, new_node, peer, tmp_path, program, environment, model
):
    node = new_node(namespace="/named")
    node.extra = ["--params-file", written(tmp_path, f"{section}:\n  ros__parameters: {{scheduler: {{refresh_hz: 3.5}}}}\n")]
    node.start()
    values = peer.call(GetParameters, "/named/face_attributes/get_parameters", names=["scheduler.refresh_hz"]).values
    assert [value.double_value for value in values] == [3.5]
    assert node.process.stop() == 0
    file = written(tmp_path, f"{section}:\n  ros__parameters: {{shutter: 1}}\n")
    words = ["--ros-args", "-r", "__ns:=/named", "-p", f"model:={model}", "--params-file", file]
    ended = run_to_end([program("face_attributes_node"), *words], environment)
    assert ended.returncode == 2 and "there is no parameter 'shutter'" in ended.stderr, ended.stderr


def test_quality_of_service_follows_the_parameters(new_node, peer, astronaut):
    node = new_node(namespace="/picky")
    image, attributes = "/picky/image", "/picky/attributes"
    for name in (f"{image}.subscription.reliability", f"{image}/compressed.subscription.reliability"):
        node.extra += ["-p", f"qos_overrides.{name}:=reliable"]
    node.extra += ["-p", f"qos_overrides.{attributes}.publisher.durability:=transient_local"]
    node.start()
    taken = wait_until(lambda: peer.node.get_subscriptions_info_by_topic(image), "the node listens")
    assert [info.qos_profile.reliability for info in taken] == [ReliabilityPolicy.RELIABLE]
    given = wait_until(lambda: peer.node.get_publishers_info_by_topic(attributes), "the node publishes")
    assert [info.qos_profile.durability for info in given] == [DurabilityPolicy.TRANSIENT_LOCAL]
    # The camera of these tests is best effort: nothing can come, and the node says why.
    hint = "best effort, where this node asks for reliable"
    diagnostics = peer.listen(DiagnosticArray, "/diagnostics")
    answers = peer.listen(FaceAttributesArray, attributes)
    with Camera(peer, [pictures.bgr8(astronaut)], topic=image):
        diagnostics.next(lambda message: any(hint in status.message for status in message.status), hint)
    assert hint in node.process.output()
    assert not answers.messages()
    assert node.process.stop() == 0


def test_a_quality_of_service_that_there_is_not_is_refused_by_name(program, environment, model):
    name = "qos_overrides./image.subscription.reliability"
    words = ["--ros-args", "-p", f"model:={model}", "-p", f"{name}:=perfect"]
    ended = run_to_end([program("face_attributes_node"), *words], environment)
    assert ended.returncode == 2 and f"'{name}' must be reliable or best_effort" in ended.stderr, ended.stderr


def test_the_clock_follows_its_parameter_while_the_node_runs(new_node, peer):
    from builtin_interfaces.msg import Time
    from rcl_interfaces.msg import Parameter, ParameterValue
    from rcl_interfaces.srv import SetParameters
    from rosgraph_msgs.msg import Clock

    node = new_node(namespace="/clocked").start()
    clock = peer.node.create_publisher(Clock, "/clock", 10)
    diagnostics = peer.listen(DiagnosticArray, "/diagnostics")

    def stamped(simulated):
        def found(message):
            mine = any(status.name.startswith("/clocked/") for status in message.status)
            return mine and (message.header.stamp.sec == 77) == simulated

        return found

    for simulated in (True, False, True):
        value = ParameterValue(type=1, bool_value=simulated)
        parameters = [Parameter(name="use_sim_time", value=value)]
        reply = peer.call(SetParameters, "/clocked/face_attributes/set_parameters", parameters=parameters)
        assert reply.results[0].successful, reply.results[0].reason
        if simulated:
            wait_until(lambda: clock.get_subscription_count() > 0, "the node listens to /clock")
            clock.publish(Clock(clock=Time(sec=77)))
        diagnostics.next(stamped(simulated), "a stamp of the clock that is asked for")
    peer.node.destroy_publisher(clock)
    assert node.process.stop() == 0
