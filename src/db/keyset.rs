//! Keyset paging: "the rows after this one" as a condition, so that the cost of a page does not
//! grow with its number.

use sea_orm::sea_query::{Expr, ExprTrait, Order, SimpleExpr};
use sea_orm::{Condition, Value};

/// One column of the order, and where the last page ended in it.
#[derive(Clone, Debug)]
pub struct Key {
    /// What is sorted by. Must never be NULL.
    pub expr: SimpleExpr,
    /// Which way.
    pub order: Order,
    /// The value of the last row seen.
    pub last: Value,
}

/// Rows that come after the last one seen: for keys a, b, c that is
/// `a > x OR (a = x AND b > y) OR (a = x AND b = y AND c > z)`, with `<` for descending keys.
///
/// `a >= x` is added, which follows from that: PostgreSQL takes no bound of an index out of an OR, and would
/// read every row before the page.
pub fn after(keys: &[Key]) -> Condition {
    let mut any = Condition::any();
    for (i, key) in keys.iter().enumerate() {
        let mut all = Condition::all();
        for equal in &keys[..i] {
            all = all.add(equal.expr.clone().eq(Expr::value(equal.last.clone())));
        }
        let last = Expr::value(key.last.clone());
        all = all.add(match key.order {
            Order::Desc => key.expr.clone().lt(last),
            _ => key.expr.clone().gt(last),
        });
        any = any.add(all);
    }
    let bound = keys.first().filter(|_| keys.len() > 1).map(|key| {
        let last = Expr::value(key.last.clone());
        match key.order {
            Order::Desc => key.expr.clone().lte(last),
            _ => key.expr.clone().gte(last),
        }
    });
    Condition::all().add_option(bound).add(any)
}
