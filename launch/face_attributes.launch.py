"""One face_attributes node for one camera.

ros2 launch face_attributes face_attributes.launch.py image:=/camera/image_raw
ros2 launch face_attributes face_attributes.launch.py namespace:=rear image:=/rear_camera/image_raw state_dir:=~/rear_faces
"""

import os

PACKAGE = "face_attributes"
PROGRAM = "face_attributes_node"
# Name, default and meaning.
ARGUMENTS = [
    ("image", "image", "Topic of the raw pictures; compressed ones are expected below it, on IMAGE/compressed"),
    ("image_transport", "", "raw, compressed or auto; empty: as in the parameter file"),
    ("camera_info", "", "Topic of the camera's calibration (for rep155); empty: beside the raw pictures"),
    ("namespace", "face", "Namespace of the node, its topics and services"),
    ("params", "", "Parameter file; empty: the installed one"),
    ("device", "", "auto, cpu, cuda or cpu-reference; empty: as in the parameter file"),
    ("model", "", "Folder of the model; empty: as in the parameter file"),
    (
        "state_dir",
        "",
        "Folder for taught tasks, each node's own if it is to be taught; empty: as in the parameter file",
    ),
    ("autostart", "", "true or false: wait, unconfigured, for lifecycle transitions; empty: as in the parameter file"),
    ("rep155", "", "true or false: also publish people as REP-155 has them; empty: as in the parameter file"),
    ("page_port", "", "Port of the page for a browser, 0 for none; empty: as in the parameter file"),
    ("page_address", "", "Where the page is served; others than 127.0.0.1 need a token; empty: as in the parameter file"),
    ("log_level", "info", "debug, info, warn, error or fatal"),
    ("respawn", "false", "true: start the node again when it ends by itself"),
    ("respawn_delay", "2.0", "Seconds before it is started again"),
    (
        "fastdds_profile",
        "",
        "Fast DDS profile; empty: the one in the environment, else the installed one, which gives large pictures room in "
        "shared memory. The camera's driver needs it too",
    ),
]
# Parameters that arguments set as they are: texts.
PARAMETERS = ("image_transport", "device", "model", "state_dir")
PATHS = ("model", "state_dir")
SWITCHES = ("autostart", "rep155")
PAGE = {"page_port": "page.port", "page_address": "page.address"}
# Two names of the same: Fast DDS before and from 3.0 on.
PROFILE_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def existing(argument, path):
    """A file that an argument names, with `~` for the user's home."""
    path = os.path.expanduser(path)
    try:
        with open(path, "rb"):
            return path
    except OSError as error:
        raise RuntimeError(f"{argument}:={path}: {error.strerror}") from error


def truth(argument, text):
    if text.lower() not in ("true", "false"):
        raise RuntimeError(f"{argument}:={text}: must be true or false")
    return text.lower() == "true"


def port(argument, text):
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise RuntimeError(f"{argument}:={text}: must be a port, 0 to 65535")
    return int(text)


def seconds(argument, text):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.0 <= value < float("inf"):
        raise RuntimeError(f"{argument}:={text}: must be a number of seconds")
    return value


def settings(arguments, environment, share):
    """What the arguments (name to text) come to: parameter file, parameters, environment and how to respawn."""
    given = {name: arguments[name] for name in PARAMETERS if arguments[name]}
    parameters = {name: os.path.expanduser(text) if name in PATHS else text for name, text in given.items()}
    for name in SWITCHES:
        if arguments[name]:
            parameters[name] = truth(name, arguments[name])
    for name, parameter in PAGE.items():
        if arguments[name]:
            parameters[parameter] = port(name, arguments[name]) if name == "page_port" else arguments[name]
    profile = arguments["fastdds_profile"]
    variables = {}
    if profile or not any(environment.get(name) for name in PROFILE_VARIABLES):
        profile = existing("fastdds_profile", profile or os.path.join(share, "config", "fastdds.xml"))
        variables = {name: profile for name in PROFILE_VARIABLES}
    return {
        "file": existing("params", arguments["params"] or os.path.join(share, "config", "face_attributes.yaml")),
        "parameters": parameters,
        "variables": variables,
        "respawn": truth("respawn", arguments["respawn"]),
        "respawn_delay": seconds("respawn_delay", arguments["respawn_delay"]),
    }


def start(context):
    from ament_index_python.packages import get_package_share_directory
    from launch.substitutions import LaunchConfiguration
    from launch_ros.actions import Node
    from launch_ros.parameter_descriptions import ParameterValue

    arguments = {name: LaunchConfiguration(name).perform(context) for name, *_ in ARGUMENTS}
    found = settings(arguments, context.environment, get_package_share_directory(PACKAGE))
    # Later ones win. With their types, or a folder named 123 would be a number.
    parameters = [found["file"]]
    if found["parameters"]:
        parameters.append(
            {name: ParameterValue(value, value_type=type(value)) for name, value in found["parameters"].items()}
        )
    remappings = [("image", arguments["image"]), ("image/compressed", arguments["image"] + "/compressed")]
    if arguments["camera_info"]:
        remappings.append(("camera_info", arguments["camera_info"]))
    node = Node(
        package=PACKAGE,
        executable=PROGRAM,
        name="face_attributes",
        namespace=arguments["namespace"],
        output="screen",
        parameters=parameters,
        remappings=remappings,
        arguments=["--ros-args", "--log-level", arguments["log_level"]],
        additional_env=found["variables"],
        respawn=found["respawn"],
        respawn_delay=found["respawn_delay"],
    )
    return [node]


def generate_launch_description():
    from launch.actions import DeclareLaunchArgument, OpaqueFunction

    from launch import LaunchDescription

    declared = [DeclareLaunchArgument(name, default_value=text, description=told) for name, text, told in ARGUMENTS]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])
