# face_attributes in a container of a ROS distribution: humble, jazzy or kilted.
#
#   docker build --build-arg ROS_DISTRO=jazzy --tag face_attributes .
#   docker run --rm --network host --ipc host face_attributes        # listens to /face/image
#   docker build --build-arg ROS_DISTRO=jazzy --target deb --output out .     # the Debian package alone
ARG ROS_DISTRO=jazzy
FROM rust:1.92-slim AS rust

FROM ros:${ROS_DISTRO}-ros-base AS build
COPY --from=rust /usr/local/rustup /usr/local/rustup
COPY --from=rust /usr/local/cargo /usr/local/cargo
ENV RUSTUP_HOME=/usr/local/rustup CARGO_HOME=/usr/local/cargo PATH=/usr/local/cargo/bin:$PATH
WORKDIR /face_attributes
# What set-up reads: its layer is kept while these stay as they are.
COPY Cargo.toml package.xml ./
COPY scripts scripts
RUN apt-get update && apt-get install -y --no-install-recommends git python3-venv python3-dev && scripts/setup
COPY . .
RUN git config --global --add safe.directory /face_attributes && scripts/package --out /packages

FROM scratch AS deb
COPY --from=build /packages/ /

FROM ros:${ROS_DISTRO}-ros-core AS runtime
COPY --from=deb / /packages/
RUN apt-get update && apt-get install -y --no-install-recommends /packages/*.deb && rm -rf /packages /var/lib/apt/lists/*
RUN useradd --create-home --groups video robot
USER robot
CMD ["ros2", "launch", "face_attributes", "face_attributes.launch.py"]
