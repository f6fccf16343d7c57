//! What the paper reports, to print beside what came out here.

/// The paper's tasks, in the order of its tables.
pub const TASKS: [&str; 4] = ["emotion", "age", "gender", "identity"];

/// Table IV: encoder frozen, then trained on; accuracy in percent and standard error.
pub const TABLE4: [[(f32, f32); 4]; 2] = [
    [(83.66, 0.27), (84.01, 0.46), (90.78, 0.79), (91.20, 6.00)],
    [(84.3, 0.36), (85.12, 0.45), (90.21, 0.31), (93.96, 4.52)],
];

/// Table V's rows: sources, and the accuracy of each task that draws from them, in percent.
pub const SOURCES: [(&[&str], [Option<f32>; 4]); 14] = [
    (&["emotion"], [None, Some(84.20), Some(92.27), Some(87.32)]),
    (&["age"], [Some(85.7), None, Some(89.42), Some(82.50)]),
    (&["gender"], [Some(86.8), Some(86.36), None, Some(89.43)]),
    (&["identity"], [Some(80.32), Some(71.80), Some(83.21), None]),
    (&["age", "gender"], [Some(90.41), None, None, Some(92.54)]),
    (&["age", "identity"], [Some(82.51), None, Some(87.91), None]),
    (&["age", "emotion"], [None, None, Some(93.02), Some(90.45)]),
    (&["gender", "identity"], [Some(76.30), Some(45.63), None, None]),
    (&["gender", "emotion"], [None, Some(90.31), None, Some(93.10)]),
    (&["emotion", "identity"], [None, Some(79.36), Some(86.19), None]),
    (&["age", "gender", "identity"], [Some(86.32), None, None, None]),
    (&["emotion", "gender", "identity"], [None, Some(81.65), None, None]),
    (&["identity", "age", "emotion"], [None, None, Some(90.45), None]),
    (&["emotion", "age", "gender"], [None, None, None, Some(89.27)]),
];

/// Table VI: what others reach, and the paper's best, in percent.
pub const TABLE6: [(&str, &str, f32, &[&str], f32); 4] = [
    ("emotion", "ensemble of features (Georgescu et al.)", 87.76, &["age", "gender"], 90.41),
    ("age", "deep CNN (Levi & Hassner)", 84.70, &["gender", "emotion"], 90.31),
    ("gender", "deep CNN (Jalal & Tariq)", 87.95, &["age", "emotion"], 93.02),
    ("identity", "OpenFace", 95.00, &["gender", "emotion"], 93.20),
];
