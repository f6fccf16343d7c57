//! A camera's message becomes a frame.

use engine::Frame;
use r2r::sensor_msgs::msg::{CompressedImage, Image};
use r2r::std_msgs::msg::Header;
use vision::{BgrImage, ImageError, encoding};

use super::stamp;

/// A picture as it came from the camera, not decoded yet.
#[derive(Debug)]
pub(crate) enum Incoming {
    Raw(Image),
    Compressed(CompressedImage),
}

/// A picture that cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[error("{source}{origin}")]
pub(crate) struct FrameError {
    source: ImageError,
    /// Encoding and frame id, what of them the source does not say yet.
    origin: String,
}

impl Incoming {
    fn header(&self) -> &Header {
        match self {
            Self::Raw(image) => &image.header,
            Self::Compressed(image) => &image.header,
        }
    }

    pub(crate) fn encoding(&self) -> &str {
        match self {
            Self::Raw(image) => &image.encoding,
            Self::Compressed(image) => &image.format,
        }
    }
}

/// Decodes a picture of at most `max_pixels`; stamp and frame id stay as they are.
///
/// # Errors
/// When the picture is larger, its encoding unknown, or its data do not fit its size.
pub(crate) fn frame(incoming: &Incoming, max_pixels: u64) -> Result<Frame, FrameError> {
    let decoded = match incoming {
        Incoming::Raw(image) => raw(image, max_pixels),
        Incoming::Compressed(image) => encoding::decode_camera(&image.data, &image.format, max_pixels),
    };
    let header = incoming.header();
    let image = decoded.map_err(|source| {
        let encoding: String = incoming.encoding().chars().take(64).collect();
        let mut origin = vec![];
        if !matches!(source, ImageError::Encoding(_)) {
            origin.push(format!("encoding {encoding:?}"));
        }
        if !header.frame_id.is_empty() {
            origin.push(format!("frame {:?}", header.frame_id));
        }
        let origin = if origin.is_empty() { String::new() } else { format!(" ({})", origin.join(", ")) };
        FrameError { source, origin }
    })?;
    Ok(Frame { image, stamp: stamp(&header.stamp), frame_id: header.frame_id.clone() })
}

/// Decodes a raw picture of at most `max_pixels`.
pub(super) fn raw(image: &Image, max_pixels: u64) -> Result<BgrImage, ImageError> {
    let (width, height) = (image.width, image.height);
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(ImageError::TooLarge { width, height, max_pixels });
    }
    encoding::decode_raw(width, height, &image.encoding, image.is_bigendian != 0, image.step, &image.data)
}

#[cfg(test)]
pub(crate) mod tests {
    use engine::Stamp;
    use proptest::prelude::*;
    use r2r::builtin_interfaces::msg::Time;

    use super::*;

    pub(crate) fn image(width: u32, height: u32) -> Image {
        Image {
            header: Header { stamp: Time { sec: 12, nanosec: 345 }, frame_id: "left_camera".to_owned() },
            height,
            width,
            encoding: "rgb8".to_owned(),
            is_bigendian: 0,
            step: 3 * width,
            data: (0..width * height * 3).map(|value| value as u8).collect(),
        }
    }

    #[test]
    fn stamp_and_frame_id_travel_with_the_picture() {
        let frame = frame(&Incoming::Raw(image(4, 2)), 8).unwrap();
        assert_eq!((frame.stamp, frame.frame_id.as_str()), (Stamp { sec: 12, nanosec: 345 }, "left_camera"));
        assert_eq!(frame.image.data()[..3], [2, 1, 0]);
    }

    #[test]
    fn a_compressed_picture_is_decoded_whatever_its_format_says() {
        let picture = BgrImage::new(8, 8, vec![128; 8 * 8 * 3]).unwrap();
        let compressed = CompressedImage {
            header: image(1, 1).header,
            format: "anything".to_owned(),
            data: picture.encode_jpeg(90).unwrap(),
        };
        let frame = frame(&Incoming::Compressed(compressed), 64).unwrap();
        assert_eq!((frame.image.width(), frame.image.height()), (8, 8));
    }

    #[test]
    fn a_picture_above_the_limit_is_refused_with_both_numbers() {
        let message = frame(&Incoming::Raw(image(40, 20)), 799).unwrap_err().to_string();
        assert!(message.contains("40×20") && message.contains("799"), "{message}");
    }

    #[test]
    fn an_unknown_encoding_is_named() {
        let mut image = image(4, 2);
        image.encoding = "h264\0".to_owned();
        let message = frame(&Incoming::Raw(image), 8).unwrap_err().to_string();
        assert_eq!(message, "encoding \"h264\\0\" is not supported (frame \"left_camera\")");
    }

    proptest! {
        #[test]
        fn no_message_can_bring_the_node_down(
            (width, height, step) in (0..70_u32, 0..70_u32, 0..400_u32),
            encoding in prop::sample::select(vec!["mono8", "bgr8", "rgba8", "mono16", "yuv422", "bayer_rggb8", "", "jpeg"]),
            is_bigendian in any::<u8>(),
            data in prop::collection::vec(any::<u8>(), 0..4096),
        ) {
            let header = Header::default();
            let encoding = encoding.to_owned();
            let image = Image { header, height, width, encoding, is_bigendian, step, data: data.clone() };
            if let Ok(frame) = frame(&Incoming::Raw(image), 4096) {
                prop_assert_eq!((frame.image.width(), frame.image.height()), (width, height));
            }
            let compressed = CompressedImage { header: Header::default(), format: "jpeg".to_owned(), data };
            prop_assert!(frame(&Incoming::Compressed(compressed), 4096).is_err());
        }
    }
}
