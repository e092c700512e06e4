//! The client against listeners that behave as Meta does on its worse days: what leaves, where it goes, and what is made of what comes back.

#[cfg(test)]
mod calls;
#[cfg(test)]
mod sends;
#[cfg(test)]
mod support;
