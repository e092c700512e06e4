//! The contracts hold what the server and the consumers rely on.

#[cfg(test)]
mod golden;
#[cfg(test)]
mod options;
