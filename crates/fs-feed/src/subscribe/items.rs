//! Iterating over a subscription.

use std::borrow::BorrowMut;
use std::iter::FusedIterator;

use crate::subscribe::item::{Item, SubscribeError};
use crate::subscribe::subscription::Subscription;

/// The items of a subscription, each waited for. Ends after [`SubscribeError::StalePosition`].
#[derive(Debug)]
pub struct Items<S>(pub(crate) S);

impl<S: BorrowMut<Subscription>> Iterator for Items<S> {
    type Item = Result<Item, SubscribeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let subscription = self.0.borrow_mut();
        if subscription.has_ended() {
            None
        } else {
            Some(subscription.recv())
        }
    }
}

impl<S: BorrowMut<Subscription>> FusedIterator for Items<S> {}

impl IntoIterator for Subscription {
    type Item = Result<Item, SubscribeError>;
    type IntoIter = Items<Self>;

    fn into_iter(self) -> Self::IntoIter {
        Items(self)
    }
}

impl<'a> IntoIterator for &'a mut Subscription {
    type Item = Result<Item, SubscribeError>;
    type IntoIter = Items<&'a mut Subscription>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
