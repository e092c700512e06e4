//! Paths of the Cloud API: `/v23.0/106540352242922/messages`, with or without a version, with or without a slash at the
//! end. Whether a path is one is told by its first segment alone, which is a version or digits.

use http::Method;

use super::error::GraphError;

/// The version that is told where the caller named none.
const OURS: &str = "v23.0";

/// A path of the Cloud API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// The version asked for; every one is answered alike.
    pub(crate) version: String,
    /// The node: Meta's id.
    pub(crate) node: String,
    /// What of it.
    pub(crate) edge: Vec<String>,
}

fn is_version(segment: &str) -> bool {
    let digits = |text: &str| {
        (1..=3).contains(&text.len()) && text.bytes().all(|digit| digit.is_ascii_digit())
    };
    segment
        .strip_prefix('v')
        .and_then(|numbers| numbers.split_once('.'))
        .is_some_and(|(major, minor)| digits(major) && digits(minor))
}

fn is_id(segment: &str) -> bool {
    segment.bytes().all(|digit| digit.is_ascii_digit())
}

impl Path {
    /// The path, where it is one of the Cloud API's.
    pub(crate) fn read(path: &str) -> Option<Self> {
        let mut segments = path.split('/').filter(|segment| !segment.is_empty()).peekable();
        let first = *segments.peek()?;
        let version = if is_version(first) {
            segments.next()?.to_owned()
        } else if is_id(first) {
            OURS.to_owned()
        } else {
            return None;
        };
        let node = segments.next().unwrap_or_default().to_owned();
        Some(Self { version, node, edge: segments.map(str::to_owned).collect() })
    }
}

/// What is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// `POST /{number}/messages`: a message, or the mark that one was read.
    Messages,
}

impl Operation {
    /// What a call asks for, in the order in which Meta refuses.
    pub(crate) fn of(method: &Method, path: &Path) -> Result<Self, GraphError> {
        if !super::is_known(method) {
            return Err(GraphError::wrong_method(method));
        }
        let edge: Vec<&str> = path.edge.iter().map(String::as_str).collect();
        match (method, edge.as_slice()) {
            (&Method::POST, ["messages"]) => Ok(Self::Messages),
            (_, [] | ["messages"]) => Err(GraphError::unsupported(method, &path.node)),
            (_, unknown) => Err(GraphError::unknown_path(unknown)),
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("/v23.0/106540352242922/messages", "v23.0", "106540352242922", &["messages"])]
    #[case("/106540352242922/messages/", "v23.0", "106540352242922", &["messages"])]
    #[case("/v13.0/1/", "v13.0", "1", &[])]
    #[case("//v26.0//1/message_qrdls/ABC", "v26.0", "1", &["message_qrdls", "ABC"])]
    #[case("/v23.0", "v23.0", "", &[])]
    fn any_version_none_and_loose_slashes_are_read(
        #[case] path: &str,
        #[case] version: &str,
        #[case] node: &str,
        #[case] edge: &[&str],
    ) {
        let read = Path::read(path).unwrap();
        assert_eq!((read.version.as_str(), read.node.as_str()), (version, node));
        assert_eq!(read.edge, edge);
    }

    #[rstest]
    #[case("/")]
    #[case("/graphql")]
    #[case("/v23/1")]
    #[case("/version/1")]
    #[case("/v1.2.3/1")]
    #[case("/12a/messages")]
    fn other_paths_are_not_the_edges(#[case] path: &str) {
        assert_eq!(Path::read(path), None);
    }
}
