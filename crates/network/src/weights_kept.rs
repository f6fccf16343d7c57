//! A module's weights in the forms that they are needed in: as they are trained and stored, and as CPUs read them.

use std::sync::{Arc, OnceLock};

/// Clones share what is prepared, also what is prepared later.
#[derive(Debug)]
pub(crate) enum WeightsKept<M, P> {
    /// Both; what is prepared is made when it is first asked for.
    Trainable(M, Arc<OnceLock<Arc<P>>>),
    /// What is prepared alone: a third less memory, and no training can begin from it.
    Answering(Arc<P>),
}

impl<M, P> WeightsKept<M, P> {
    pub fn trainable(module: M) -> Self {
        Self::Trainable(module, Arc::default())
    }

    /// The weights as they are trained and stored, unless they were given up.
    pub fn module(&self) -> Option<&M> {
        match self {
            Self::Trainable(module, _) => Some(module),
            Self::Answering(_) => None,
        }
    }

    /// The weights as CPUs read them.
    pub fn prepared(&self, prepare: impl FnOnce(&M) -> P) -> &P {
        match self {
            Self::Trainable(module, prepared) => prepared.get_or_init(|| Arc::new(prepare(module))),
            Self::Answering(prepared) => prepared,
        }
    }

    /// What answers alone.
    pub fn answering(self, prepare: impl FnOnce(&M) -> P) -> Self {
        match self {
            Self::Trainable(module, prepared) => {
                Self::Answering(Arc::clone(prepared.get_or_init(|| Arc::new(prepare(&module)))))
            }
            answering @ Self::Answering(_) => answering,
        }
    }

    /// With nothing prepared, for another use of the same weights. What only answers stays as it is.
    pub fn unprepared(self) -> Self {
        match self {
            Self::Trainable(module, _) => Self::trainable(module),
            answering @ Self::Answering(_) => answering,
        }
    }
}

impl<M: Clone, P> Clone for WeightsKept<M, P> {
    fn clone(&self) -> Self {
        match self {
            Self::Trainable(module, prepared) => Self::Trainable(module.clone(), Arc::clone(prepared)),
            Self::Answering(prepared) => Self::Answering(Arc::clone(prepared)),
        }
    }
}
