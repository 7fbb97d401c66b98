//! An error with its causes, in one line.

/// Returns an error and its causes in one line, from the outside in; a cause that was named before is not named again.
///
/// The message of an error says what failed and the causes say why, so programs that print an error print this.
///
/// ```
/// let error = fs_store::FileEventStore::open("/dev/null/store").unwrap_err();
/// println!("{}", fs_store::report(&error));
/// ```
pub fn report(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::OpenError;

    #[test]
    fn every_cause_is_named_once() {
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        let error = OpenError::SetUp {
            root: "/store".into(),
            source: Box::new(fs_io::ReadError::Io {
                path: "/store/local/lock".into(),
                source: full(),
            }),
        };
        let text = report(&error);
        for part in ["/store", "/store/local/lock", &full().to_string()] {
            assert!(text.contains(part), "{part} is named: {text}");
        }
        assert_eq!(
            text.matches(&full().to_string()).count(),
            1,
            "and not again: {text}"
        );
        assert_eq!(
            error.to_string(),
            text,
            "what was to be set up alone says nothing"
        );
    }
}
