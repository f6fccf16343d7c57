//! Where a head is and where it looks, from five landmarks and the camera's calibration.

use opencv::calib3d::{self, SOLVEPNP_SQPNP};
use opencv::core::{Mat, Point2d, Point3d, TermCriteria, TermCriteria_Type, Vector, no_array};
use opencv::prelude::*;

use crate::{DetectError, Landmarks, MAX_SIDE};

/// Where a grown person's landmarks are, metres, in the face's frame (REP-155): the origin at the sellion, between the eyes; x out of
/// the face, y to the person's left, z up. In the order of [`Landmarks`]: the person's right eye is on the picture's left.
/// Means of adults; a child's head is smaller and is taken for one that is further away.
const FACE_M: [[f64; 3]; 5] = [
    [-0.020, -0.0315, -0.005],
    [-0.020, 0.0315, -0.005],
    [0.021, 0.0, -0.048],
    [-0.004, -0.025, -0.075],
    [-0.004, 0.025, -0.075],
];
/// Nobody is seen from further away, metres.
const FAR_M: f64 = 100.0;

/// No camera has more pixels of focal length, or a stronger distortion.
const LARGE: f64 = 1e6;
const LARGE_DISTORTION: f64 = 1e3;
/// Rounding of a shrunk picture's sides.
const SHAPE: f64 = 0.03;

/// A calibrated camera, as `sensor_msgs/CameraInfo` describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraModel {
    /// Width and height of the pictures that it was calibrated for, pixels.
    pub size: (u32, u32),
    /// Focal lengths fx and fy, pixels.
    pub focal: (f64, f64),
    /// Principal point cx and cy, pixels.
    pub centre: (f64, f64),
    /// Distortion in OpenCV's order (k1, k2, p1, p2, k3 …): 0, 4, 5, 8, 12 or 14 values.
    pub distortion: Vec<f64>,
}

/// A head in the camera's optical frame (x right, y down, z forward; REP-103).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadPose {
    /// The sellion, metres.
    pub position: [f64; 3],
    /// Unit quaternion x, y, z, w of the face's frame.
    pub rotation: [f64; 4],
}

impl HeadPose {
    /// A direction in the face's frame, as the camera's optical frame has it.
    pub fn turned(&self, [x, y, z]: [f64; 3]) -> [f64; 3] {
        let [i, j, k, w] = self.rotation;
        // v + 2w (q × v) + 2 q × (q × v)
        let t = [2.0 * (j * z - k * y), 2.0 * (k * x - i * z), 2.0 * (i * y - j * x)];
        [x + w * t[0] + j * t[2] - k * t[1], y + w * t[1] + k * t[0] - i * t[2], z + w * t[2] + i * t[1] - j * t[0]]
    }
}

impl CameraModel {
    /// Whether there is a calibration: drivers send zeros without one.
    pub fn is_calibrated(&self) -> bool {
        let numbers = [self.focal.0, self.focal.1, self.centre.0, self.centre.1];
        // NaN is not less than anything.
        numbers.iter().all(|number| number.abs() < LARGE)
            && self.distortion.iter().all(|number| number.abs() < LARGE_DISTORTION)
            && self.focal.0 > 0.0
            && self.focal.1 > 0.0
            && (1..=MAX_SIDE).contains(&self.size.0)
            && (1..=MAX_SIDE).contains(&self.size.1)
            && matches!(self.distortion.len(), 0 | 4 | 5 | 8 | 12 | 14)
    }

    /// The pose of the head whose landmarks, in pixels of a picture of this size, are given; `None` where no pose fits them.
    ///
    /// # Errors
    /// When OpenCV refuses the numbers.
    pub fn head_pose(&self, landmarks: &Landmarks, size: (u32, u32)) -> Result<Option<HeadPose>, DetectError> {
        // A picture may have been shrunk after the calibration; one of another shape was cut.
        let scale = (f64::from(size.0) / f64::from(self.size.0), f64::from(size.1) / f64::from(self.size.1));
        if (scale.0 / scale.1 - 1.0).abs() > SHAPE {
            return Ok(None);
        }
        let matrix = Mat::from_slice_2d(&[
            [self.focal.0 * scale.0, 0.0, self.centre.0 * scale.0],
            [0.0, self.focal.1 * scale.1, self.centre.1 * scale.1],
            [0.0, 0.0, 1.0],
        ])?;
        let distortion = Vector::from_slice(&self.distortion);
        let face: Vector<Point3d> = FACE_M.iter().map(|[x, y, z]| Point3d::new(*x, *y, *z)).collect();
        let seen: Vector<Point2d> =
            landmarks.iter().map(|point| Point2d::new(f64::from(point.x), f64::from(point.y))).collect();
        let (mut turn, mut position) = (Mat::default(), Mat::default());
        let found =
            calib3d::solve_pnp(&face, &seen, &matrix, &distortion, &mut turn, &mut position, false, SOLVEPNP_SQPNP)?;
        if !found {
            return Ok(None);
        }
        let enough = TermCriteria::new(TermCriteria_Type::EPS as i32 + TermCriteria_Type::COUNT as i32, 20, 1e-9)?;
        calib3d::solve_pnp_refine_lm(&face, &seen, &matrix, &distortion, &mut turn, &mut position, enough)?;
        let mut rotation = Mat::default();
        calib3d::rodrigues(&turn, &mut rotation, &mut no_array())?;
        let number = |matrix: &Mat, at: usize| matrix.at::<f64>(at as i32).copied();
        let position = [number(&position, 0)?, number(&position, 1)?, number(&position, 2)?];
        let mut rows = [[0.0; 3]; 3];
        for (row, values) in rows.iter_mut().enumerate() {
            for (column, value) in values.iter_mut().enumerate() {
                *value = *rotation.at_2d::<f64>(row as i32, column as i32)?;
            }
        }
        let pose = HeadPose { position, rotation: quaternion(&rows) };
        let numbers = pose.position.iter().chain(&pose.rotation);
        let plausible = numbers.clone().all(|number| number.is_finite()) && (0.0..FAR_M).contains(&position[2]);
        // One that shows its back to the camera is a wrong solution: its landmarks are seen.
        Ok(Some(pose).filter(|pose| plausible && pose.turned([1.0, 0.0, 0.0])[2] < 0.0))
    }
}

/// Unit quaternion x, y, z, w of a rotation matrix, by its largest component (Shepperd 1978).
fn quaternion(m: &[[f64; 3]; 3]) -> [f64; 4] {
    let squares = [
        1.0 + m[0][0] - m[1][1] - m[2][2],
        1.0 - m[0][0] + m[1][1] - m[2][2],
        1.0 - m[0][0] - m[1][1] + m[2][2],
        1.0 + m[0][0] + m[1][1] + m[2][2],
    ];
    let largest = (0..4).fold(3, |best, at| if squares[at] > squares[best] { at } else { best });
    let symmetric = |a: usize, b: usize| m[a][b] + m[b][a];
    let skew = |a: usize, b: usize| m[a][b] - m[b][a];
    let q = match largest {
        0 => [squares[0], symmetric(0, 1), symmetric(0, 2), skew(2, 1)],
        1 => [symmetric(0, 1), squares[1], symmetric(1, 2), skew(0, 2)],
        2 => [symmetric(0, 2), symmetric(1, 2), squares[2], skew(1, 0)],
        _ => [skew(2, 1), skew(0, 2), skew(1, 0), squares[3]],
    };
    let norm = q.iter().map(|value| value * value).sum::<f64>().sqrt();
    q.map(|value| value / norm)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Point;

    fn camera() -> CameraModel {
        CameraModel { size: (640, 480), focal: (600.0, 600.0), centre: (320.0, 240.0), distortion: vec![] }
    }

    /// The face's frame in the camera's for a person who looks at the camera, turned by yaw and pitch, radians.
    fn pose(position: [f64; 3], yaw: f64, pitch: f64) -> HeadPose {
        // x out of the face is -z of the camera, y to the person's left is x of the camera, z up is -y of the camera.
        let facing = [[0.0, 1.0, 0.0], [0.0, 0.0, -1.0], [-1.0, 0.0, 0.0]];
        let (sy, cy, sp, cp) = (yaw.sin(), yaw.cos(), pitch.sin(), pitch.cos());
        let about_z = [[cy, -sy, 0.0], [sy, cy, 0.0], [0.0, 0.0, 1.0]];
        let about_y = [[cp, 0.0, sp], [0.0, 1.0, 0.0], [-sp, 0.0, cp]];
        let product = |a: [[f64; 3]; 3], b: [[f64; 3]; 3]| {
            let mut c = [[0.0; 3]; 3];
            for (row, values) in c.iter_mut().enumerate() {
                for (column, value) in values.iter_mut().enumerate() {
                    *value = (0..3).map(|at| a[row][at] * b[at][column]).sum();
                }
            }
            c
        };
        HeadPose { position, rotation: quaternion(&product(facing, product(about_z, about_y))) }
    }

    fn seen(camera: &CameraModel, pose: &HeadPose) -> Landmarks {
        FACE_M.map(|point| {
            let turned = pose.turned(point);
            let [x, y, z] = [0, 1, 2].map(|at| turned[at] + pose.position[at]);
            let pixel = |value: f64, focal: f64, centre: f64| (focal * value / z + centre) as f32;
            Point::new(pixel(x, camera.focal.0, camera.centre.0), pixel(y, camera.focal.1, camera.centre.1))
        })
    }

    proptest! {
        #[test]
        fn a_head_is_found_where_it_is_and_as_it_is_turned(
            x in -0.5..0.5_f64, y in -0.3..0.3_f64, z in 0.5..3.0_f64, yaw in -0.7..0.7_f64, pitch in -0.5..0.5_f64,
        ) {
            let (camera, truth) = (camera(), pose([x, y, z], yaw, pitch));
            let found = camera.head_pose(&seen(&camera, &truth), camera.size).unwrap().unwrap();
            for at in 0..3 {
                prop_assert!((found.position[at] - truth.position[at]).abs() < 0.01 * z, "{:?} {:?}", found, truth);
            }
            let (looks, should) = (found.turned([1.0, 0.0, 0.0]), truth.turned([1.0, 0.0, 0.0]));
            let cosine: f64 = (0..3).map(|at| looks[at] * should[at]).sum();
            prop_assert!(cosine > 0.999, "{cosine} {:?} {:?}", found, truth);
        }
    }

    #[test]
    fn a_shrunk_picture_shows_the_head_at_the_same_place() {
        let (camera, truth) = (camera(), pose([0.1, 0.0, 1.0], 0.2, 0.1));
        let half = seen(&camera, &truth).map(|point| Point::new(point.x / 2.0, point.y / 2.0));
        let found = camera.head_pose(&half, (320, 240)).unwrap().unwrap();
        assert!((found.position[2] - 1.0).abs() < 0.01, "{found:?}");
    }

    #[test]
    fn a_picture_of_another_shape_than_the_calibration_gives_no_pose() {
        let (camera, truth) = (camera(), pose([0.1, 0.0, 1.0], 0.2, 0.1));
        assert_eq!(camera.head_pose(&seen(&camera, &truth), (480, 480)).unwrap(), None);
    }

    #[test]
    fn a_camera_that_was_never_calibrated_is_told_from_one_that_was() {
        assert!(camera().is_calibrated());
        for bad in [
            CameraModel { focal: (0.0, 0.0), ..camera() },
            CameraModel { size: (0, 480), ..camera() },
            CameraModel { distortion: vec![f64::NAN; 5], ..camera() },
            CameraModel { distortion: vec![0.0; 3], ..camera() },
            CameraModel { distortion: vec![1e30; 5], ..camera() },
            CameraModel { size: (u32::MAX, 480), ..camera() },
        ] {
            assert!(!bad.is_calibrated(), "{bad:?}");
        }
    }

    #[test]
    fn landmarks_that_are_no_face_give_no_pose_and_no_failure() {
        for nonsense in [[Point::new(5.0, 5.0); 5], [0.0, 1.0, 2.0, 3.0, 4.0].map(|at| Point::new(10.0 * at, 0.0))] {
            // Whatever it is: not a panic.
            let _ = camera().head_pose(&nonsense, (640, 480));
        }
    }
}
