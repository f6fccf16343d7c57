"""What a user would write without us: faces with OpenCV's YuNet, each judged in every picture by ONNX Runtime.

No tracking, no smoothing, no calibration: boxes and softmax shares, as our own message.

usage: node.py --network FILE.onnx --labels LABELS.json --yunet FILE --threads N [--ros-args ...]
"""

import argparse
import json
import sys

import cv2
import numpy as np
import onnxruntime
import rclpy
from face_attributes.msg import FaceAttributes, FaceAttributesArray, TaskAttribute
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

# Pictures are shrunk to this longer side before faces are looked for, as our node does.
MAX_SIDE = 640
# Of a face of 128×128 pixels: eyes, nose, corners of the mouth.
TEMPLATE = np.float32([[40.3, 49.3], [87.7, 49.3], [64.0, 76.2], [44.8, 98.2], [83.2, 98.2]])


class FaceNode(Node):
    def __init__(self, args):
        super().__init__("opencv_faces")
        cv2.setNumThreads(args.threads)
        self.detector = cv2.FaceDetectorYN.create(args.yunet, "", (320, 320), 0.6, 0.3, 64)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = args.threads, 1
        self.network = onnxruntime.InferenceSession(args.network, options, providers=["CPUExecutionProvider"])
        with open(args.labels, encoding="utf-8") as labels:
            self.labels = json.load(labels)
        newest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.publisher = self.create_publisher(FaceAttributesArray, "attributes", 10)
        self.create_subscription(Image, "image", self.raw, newest)
        self.create_subscription(CompressedImage, "image/compressed", self.compressed, newest)

    def raw(self, message):
        picture = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        self.answer(message.header, picture[:, : message.width * 3].reshape(message.height, message.width, 3))

    def compressed(self, message):
        self.answer(message.header, cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR))

    def answer(self, header, picture):
        found = self.faces(picture)
        answer = FaceAttributesArray(header=header, detector="yunet")
        if len(found):
            crops = np.stack([self.aligned(picture, face) for face in found])
            logits = self.network.run(None, {"faces": crops.astype(np.float32)[:, None] / 127.5 - 1})
            answer.faces = [self.described(face, [task[at] for task in logits]) for at, face in enumerate(found)]
        self.publisher.publish(answer)

    def faces(self, picture):
        height, width = picture.shape[:2]
        scale = min(1.0, MAX_SIDE / max(height, width))
        small = picture if scale == 1.0 else cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self.detector.setInputSize((small.shape[1], small.shape[0]))
        _, found = self.detector.detect(small)
        return [] if found is None else found[:, :14] / scale

    def aligned(self, picture, face):
        points = face[4:14].reshape(5, 2).astype(np.float32)
        transform, _ = cv2.estimateAffinePartial2D(points, TEMPLATE, method=cv2.LMEDS)
        crop = cv2.warpAffine(picture, transform, (128, 128), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY)

    def described(self, face, logits):
        message = FaceAttributes()
        message.roi.x, message.roi.y, message.roi.width, message.roi.height = map(float, face[:4])
        for (task, labels), values in zip(self.labels.items(), logits):
            shares = np.exp(values - values.max())
            shares /= shares.sum()
            best = int(shares.argmax())
            message.attributes.append(
                TaskAttribute(
                    task=task, label=labels[best], confidence=float(shares[best]), labels=labels, probabilities=shares
                )
            )
        return message


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("--network", "--labels", "--yunet"):
        parser.add_argument(name, required=True)
    parser.add_argument("--threads", type=int, required=True)
    args, _ = parser.parse_known_args()
    rclpy.init(args=sys.argv)
    node = FaceNode(args)
    print("ready:", flush=True)
    try:
        rclpy.spin(node)
    except (KeyboardInterrupt, rclpy.executors.ExternalShutdownException):
        pass


if __name__ == "__main__":
    main()
