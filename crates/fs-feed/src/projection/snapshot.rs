//! A read model that is a value, kept in memory, and in a file where that is wanted.
//!
//! The state is changed where it lies. From time to time an image of it is kept together with the progress; whatever
//! fails goes back to the last image, and the runner applies again what came after it.
//!
//! **Invariant**: an image holds the state and the progress of one commit. A file is replaced as a whole.

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::projection::batch::Source;
use crate::projection::model::{CommitError, ReadModel};
use crate::projection::progress::Progress;
use fs_store::FileEventStore;
use fs_store::StateError;

/// So many events may be applied before a new image is kept.
const EVENTS_BETWEEN: u64 = 10_000;

/// A state in memory, of which images are kept.
///
/// The state may hold anything that can be cloned ([`Snapshot::in_memory`]) or written by serde ([`Snapshot::in_file`]).
pub struct Snapshot<S> {
    state: S,
    progress: Option<Progress>,
    /// The applied events in the last image.
    kept: u64,
    is_changed: bool,
    /// The projection whose image was read.
    name: Option<String>,
    images: Box<dyn Images<S> + Send>,
}

/// How a state is written into a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// JSON, which people can read: `{"progress", "state"}`, below a line with the checksum and one with the name.
    Json,
    /// [postcard](https://docs.rs/postcard): a fraction of the size and the time.
    Postcard,
}

/// An image that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The file could not be read or written.
    #[error(transparent)]
    File(#[from] StateError),
    /// The state cannot be written in this format.
    #[error("the state of projection {name} cannot be written as {format:?}")]
    Unwritable {
        /// The projection.
        name: String,
        /// The format.
        format: Format,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Where images are kept.
trait Images<S> {
    fn load(&mut self, name: &str) -> Result<Option<(S, Progress)>, SnapshotError>;
    fn keep(&mut self, name: &str, state: &S, progress: &Progress) -> Result<(), SnapshotError>;
}

impl<S: Default + Send + 'static> Snapshot<S> {
    /// Keeps the state in memory alone; it is built again by each process.
    pub fn in_memory() -> Self
    where
        S: Clone,
    {
        Self::with(InMemory(None))
    }

    /// Keeps the state in a file of its own in the store's `local/projections/`.
    ///
    /// It is written when 10,000 events were applied since, half a second after the last event, and when the runner ends.
    /// A file that is damaged, or of another state, is passed over, and the state is built again; one that a newer version has written is
    /// an error, and stays. With
    /// [`Format::Postcard`] each change of the state's type needs another
    /// [`version`](crate::projection::Projection::version).
    pub fn in_file(store: &FileEventStore, format: Format) -> Self
    where
        S: Serialize + DeserializeOwned,
    {
        Self::with(InFile {
            store: store.clone(),
            format,
        })
    }

    fn with(images: impl Images<S> + Send + 'static) -> Self {
        Self {
            state: S::default(),
            progress: None,
            kept: 0,
            is_changed: false,
            name: None,
            images: Box::new(images),
        }
    }
}

impl<S> Snapshot<S> {
    /// Returns the state.
    pub fn state(&self) -> &S {
        &self.state
    }

    /// Returns the state, and closes the model.
    pub fn into_state(self) -> S {
        self.state
    }
}

impl<S: Default> Snapshot<S> {
    /// Goes back to the last image.
    fn load(&mut self, name: &str) -> Result<(), SnapshotError> {
        self.name = None;
        let image = self.images.load(name)?;
        (self.state, self.progress) = match image {
            Some((state, progress)) => (state, Some(progress)),
            None => (S::default(), None),
        };
        self.kept = self.progress.as_ref().map_or(0, Progress::applied);
        self.is_changed = false;
        self.name = Some(name.to_owned());
        Ok(())
    }

    fn load_once(&mut self, name: &str) -> Result<(), SnapshotError> {
        if self.name.as_deref() == Some(name) {
            return Ok(());
        }
        self.load(name)
    }

    fn keep(&mut self) -> Result<(), SnapshotError> {
        let (Some(name), Some(progress)) = (&self.name, &self.progress) else {
            return Ok(());
        };
        if self.is_changed {
            self.images.keep(name, &self.state, progress)?;
            self.kept = progress.applied();
            self.is_changed = false;
        }
        Ok(())
    }
}

impl<S: Default> ReadModel for Snapshot<S> {
    type State = S;
    type Error = SnapshotError;

    fn progress(&mut self, name: &str) -> Result<Option<Progress>, Self::Error> {
        self.load_once(name)?;
        Ok(self.progress.clone())
    }

    fn commit<E>(
        &mut self,
        name: &str,
        expected: Option<&Progress>,
        change: impl FnOnce(&mut S) -> Result<Progress, E>,
    ) -> Result<Progress, CommitError<Self::Error, E>> {
        self.load_once(name).map_err(CommitError::Model)?;
        if self.progress.as_ref() != expected {
            return Err(CommitError::Moved);
        }
        // Before the change, so that where the image cannot be kept nothing was changed.
        let applied = self.progress.as_ref().map_or(0, Progress::applied);
        if applied.abs_diff(self.kept) >= EVENTS_BETWEEN {
            self.keep().map_err(CommitError::Model)?;
        }
        // A panic in the change leaves a state that is nobody's.
        self.name = None;
        match change(&mut self.state) {
            Ok(progress) => {
                self.name = Some(name.to_owned());
                self.progress = Some(progress.clone());
                self.is_changed = true;
                Ok(progress)
            }
            Err(error) => {
                self.load(name).map_err(CommitError::Model)?;
                Err(CommitError::Change(error))
            }
        }
    }

    fn flush(&mut self) -> Result<(), Self::Error> {
        self.keep()
    }

    fn wants_flush(&self) -> bool {
        self.is_changed
    }
}

impl<S: fmt::Debug> fmt::Debug for Snapshot<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("state", &self.state)
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}

/// The image of one projection; that of another takes its place.
struct InMemory<S>(Option<(String, Image<Progress, S>)>);

impl<S: Clone> Images<S> for InMemory<S> {
    fn load(&mut self, name: &str) -> Result<Option<(S, Progress)>, SnapshotError> {
        let kept = self.0.as_ref().filter(|(of, _)| of == name);
        Ok(kept.map(|(_, image)| (image.state.clone(), image.progress.clone())))
    }

    fn keep(&mut self, name: &str, state: &S, progress: &Progress) -> Result<(), SnapshotError> {
        let image = Image {
            progress: progress.clone(),
            state: state.clone(),
        };
        self.0 = Some((name.to_owned(), image));
        Ok(())
    }
}

struct InFile {
    store: FileEventStore,
    format: Format,
}

/// What is kept.
#[derive(Serialize, Deserialize)]
struct Image<P, S> {
    progress: P,
    state: S,
}

impl InFile {
    fn read<S: DeserializeOwned>(&self, bytes: &[u8]) -> Option<Image<Progress, S>> {
        match self.format {
            Format::Json => serde_json::from_slice(bytes).ok(),
            Format::Postcard => postcard::from_bytes(bytes).ok(),
        }
    }

    fn write<S: Serialize>(&self, image: &Image<&Progress, &S>) -> Result<Vec<u8>, Source> {
        match self.format {
            Format::Json => Ok(serde_json::to_vec(image)?),
            Format::Postcard => Ok(postcard::to_allocvec(image)?),
        }
    }
}

impl<S: Serialize + DeserializeOwned> Images<S> for InFile {
    fn load(&mut self, name: &str) -> Result<Option<(S, Progress)>, SnapshotError> {
        let bytes = match self.store.projection_image(name) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error @ StateError::Damaged { .. }) => {
                tracing::warn!(%error, "the state is built again");
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let image = self.read(&bytes);
        if image.is_none() {
            tracing::warn!(name, "not an image of this state, so it is built again");
        }
        Ok(image.map(|image| (image.state, image.progress)))
    }

    fn keep(&mut self, name: &str, state: &S, progress: &Progress) -> Result<(), SnapshotError> {
        let image = Image { progress, state };
        let bytes = self
            .write(&image)
            .map_err(|source| SnapshotError::Unwritable {
                name: name.to_owned(),
                format: self.format,
                source,
            })?;
        Ok(self.store.save_projection_image(name, &bytes)?)
    }
}
