//! Verification as a server sees it: whole tokens in, scopes and refusals out.

#[cfg(test)]
mod assertions;
#[cfg(test)]
mod attacks;
#[cfg(test)]
mod dead;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod support;
