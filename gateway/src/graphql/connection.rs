//! Relay connections over the services' pages. Cursors are the services', sealed by them (ISO-6), and pass through
//! as they are; backwards is the other order, reversed here.

use std::borrow::Cow;
use std::sync::Arc;

use async_graphql::{OutputType, SimpleObject, TypeName};
use proto::common::v1 as common;

use super::words::Order;
use crate::refusal::Refusal;

/// Items of a page where nothing was asked for.
pub(crate) const DEFAULT: i32 = 25;
/// Most items of a page (IN-4).
pub(crate) const MOST: i32 = 100;

/// Which part of a list is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Paging {
    size: u32,
    cursor: Option<String>,
    backwards: bool,
    order: Order,
}

impl Paging {
    /// Reads a connection's arguments.
    pub(crate) fn of(
        first: Option<i32>,
        after: Option<String>,
        last: Option<i32>,
        before: Option<String>,
        order: Option<Order>,
    ) -> Result<Self, Refusal> {
        let backwards = last.is_some() || before.is_some();
        if backwards && (first.is_some() || after.is_some()) {
            return Err(Refusal::invalid(
                "`first` goes with `after`, `last` with `before`; the two pairs can't be mixed",
            ));
        }
        let (name, size) = if backwards { ("last", last) } else { ("first", first) };
        let size = size.unwrap_or(DEFAULT);
        if !(1..=MOST).contains(&size) {
            return Err(Refusal::invalid(format!("`{name}` is 1 to {MOST}, not {size}")));
        }
        Ok(Self {
            size: size.unsigned_abs(),
            cursor: if backwards { before } else { after },
            backwards,
            order: order.unwrap_or_default(),
        })
    }

    /// What to ask the service for.
    pub(crate) fn request(&self) -> common::Page {
        let order = match (self.order, self.backwards) {
            (Order::NewestFirst, false) | (Order::OldestFirst, true) => common::Order::NewestFirst,
            (Order::OldestFirst, false) | (Order::NewestFirst, true) => common::Order::OldestFirst,
        };
        common::Page {
            page_size: self.size,
            page_token: self.cursor.clone().unwrap_or_default(),
            order: order.into(),
        }
    }

    /// What the service answered, as a connection.
    pub(crate) fn connection<P, T: OutputType>(
        &self,
        items: Vec<P>,
        info: Option<common::PageInfo>,
        of: impl Fn(P) -> T,
    ) -> Connection<T> {
        let info = info.unwrap_or_default();
        let more = !info.next_page_token.is_empty();
        let cursors = info.cursors.into_iter();
        let mut edges: Vec<Edge<T>> = items
            .into_iter()
            .zip(cursors)
            .map(|(item, cursor)| Edge { cursor, node: Arc::new(of(item)) })
            .collect();
        if self.backwards {
            edges.reverse();
        }
        let came_from = self.cursor.is_some();
        let (has_next_page, has_previous_page) =
            if self.backwards { (came_from, more) } else { (more, came_from) };
        let page_info = PageInfo {
            has_next_page,
            has_previous_page,
            start_cursor: edges.first().map(|edge| edge.cursor.clone()),
            end_cursor: edges.last().map(|edge| edge.cursor.clone()),
        };
        let nodes = edges.iter().map(|edge| Arc::clone(&edge.node)).collect();
        Connection { edges, page_info, nodes }
    }
}

/// Where a page stands in its list.
#[derive(Debug, Clone, PartialEq, Eq, SimpleObject)]
pub(crate) struct PageInfo {
    /// Whether there is more towards the end. Paging backwards it says that you came from there.
    has_next_page: bool,
    /// Whether there is more towards the start. Paging forwards it says that you came from there.
    has_previous_page: bool,
    /// Cursor of the page's first item.
    start_cursor: Option<String>,
    /// Cursor of the page's last item.
    end_cursor: Option<String>,
}

/// One item of a list, and where it stands.
#[derive(Debug, SimpleObject)]
#[graphql(name_type)]
pub(crate) struct Edge<T: OutputType> {
    /// Lives for seven days.
    cursor: String,
    node: Arc<T>,
}

/// A page of a list.
#[derive(Debug, SimpleObject)]
#[graphql(name_type)]
pub(crate) struct Connection<T: OutputType> {
    edges: Vec<Edge<T>>,
    page_info: PageInfo,
    /// The items alone.
    nodes: Vec<Arc<T>>,
}

impl<T: OutputType> TypeName for Edge<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", T::type_name()).into()
    }
}

impl<T: OutputType> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

/// Costs are capped here, so that no sum of them overflows.
const DEAREST: usize = 1 << 40;

/// What a list costs: its items times what each costs, as far as a page goes.
pub(crate) fn page_cost(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    let size = first.or(last).unwrap_or(DEFAULT).clamp(1, MOST);
    let size = usize::try_from(size).unwrap_or(1);
    size.saturating_mul(child.max(1)).saturating_add(1).min(DEAREST)
}

/// What a list inside another object costs: each is a call of its own.
pub(crate) fn nested_cost(first: Option<i32>, last: Option<i32>, child: usize) -> usize {
    page_cost(first, last, child).saturating_add(CALL).min(DEAREST)
}

/// What a field costs that is a call of its own for each object.
pub(crate) fn call_cost(child: usize) -> usize {
    child.saturating_add(CALL).min(DEAREST)
}

/// What a list of ids costs.
pub(crate) fn ids_cost(ids: usize, child: usize) -> usize {
    ids.saturating_mul(child.max(1)).min(DEAREST)
}

/// A call that no batch serves, in fields.
const CALL: usize = 20;

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn info(cursors: &[&str], next: &str) -> common::PageInfo {
        common::PageInfo {
            cursors: cursors.iter().map(|c| (*c).to_owned()).collect(),
            next_page_token: next.to_owned(),
        }
    }

    fn shown(connection: &Connection<i32>) -> Vec<(String, i32)> {
        connection.edges.iter().map(|edge| (edge.cursor.clone(), *edge.node)).collect()
    }

    #[test]
    fn backwards_is_the_other_order_reversed() {
        let paging =
            Paging::of(None, None, Some(2), Some("c".into()), Some(Order::NewestFirst)).unwrap();
        let asked = paging.request();
        assert_eq!(asked.order(), common::Order::OldestFirst);
        assert_eq!((asked.page_size, asked.page_token.as_str()), (2, "c"));
        let got = paging.connection(vec![4, 5], Some(info(&["d", "e"], "e")), |n| n);
        assert_eq!(shown(&got), [("e".to_owned(), 5), ("d".to_owned(), 4)]);
        assert!(got.page_info.has_previous_page && got.page_info.has_next_page);
        assert_eq!(got.page_info.start_cursor.as_deref(), Some("e"));
    }

    #[test]
    fn forwards_says_whether_there_is_more() {
        let paging = Paging::of(Some(2), None, None, None, None).unwrap();
        assert_eq!(paging.request().order(), common::Order::NewestFirst);
        let got = paging.connection(vec![5, 4], Some(info(&["e", "d"], "d")), |n| n);
        assert_eq!(shown(&got), [("e".to_owned(), 5), ("d".to_owned(), 4)]);
        assert!(got.page_info.has_next_page && !got.page_info.has_previous_page);
        let end = paging.connection(vec![5], Some(info(&["e"], "")), |n| n);
        assert!(!end.page_info.has_next_page);
    }

    #[rstest]
    #[case::negative(Some(-1), None)]
    #[case::nothing(Some(0), None)]
    #[case::too_many(Some(101), None)]
    #[case::too_many_backwards(None, Some(i32::MAX))]
    #[case::both(Some(1), Some(1))]
    fn a_page_outside_its_bounds_is_refused(#[case] first: Option<i32>, #[case] last: Option<i32>) {
        assert!(Paging::of(first, None, last, None, None).is_err());
    }

    #[test]
    fn costs_never_overflow() {
        let mut cost = 1;
        for _ in 0..64 {
            cost = nested_cost(Some(100), None, cost);
        }
        assert!(cost <= DEAREST);
        assert_eq!(page_cost(Some(50), None, 4), 201);
    }
}
