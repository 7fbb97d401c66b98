//! Git repositories with a store in them, cut off from the machine's configuration.

use std::process::Output;

use crate::Here;

impl Here {
    /// A repository with an empty, committed store.
    pub(crate) fn repository() -> Self {
        let here = Self::empty();
        here.git(&["init", "--quiet"]);
        here.fine(&["init"]);
        here.commit();
        here
    }

    /// A clone of this repository.
    pub(crate) fn cloned(&self) -> Self {
        let clone = Self::empty();
        clone.git(&["clone", "--quiet", self.path().to_str().unwrap(), "."]);
        clone
    }

    /// Runs git here; it succeeds.
    pub(crate) fn git(&self, args: &[&str]) -> String {
        let output = self.git_output(args);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "git {args:?}: {err}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs git here; it fails. Returns all that was said.
    #[cfg(unix)]
    pub(crate) fn git_refused(&self, args: &[&str]) -> String {
        let output = self.git_output(args);
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(!output.status.success(), "git {args:?}: {said}");
        said
    }

    pub(crate) fn git_output(&self, args: &[&str]) -> Output {
        fs_testing::git::git()
            .current_dir(self.path())
            .args(args)
            .output()
            .unwrap()
    }

    pub(crate) fn commit(&self) {
        self.git(&["add", "--all", "."]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message", "work"]);
    }

    /// Appends one event to a stream and commits it; returns the transaction.
    pub(crate) fn work(&self, stream: &str, event_type: &str) -> String {
        let appended = self.json(&["append", stream, event_type, "1"]);
        self.commit();
        appended["transaction_id"].as_str().unwrap().to_owned()
    }

    /// Fetches the main branch of another repository, as `FETCH_HEAD`.
    pub(crate) fn fetch(&self, from: &Here) {
        self.git(&["fetch", "--quiet", from.path().to_str().unwrap(), "main"]);
    }
}
