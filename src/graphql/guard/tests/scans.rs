//! What it costs to make the database look at every row of a list.

use serde_json::json;

use super::{Params, limits, params, refusal_by};

#[test]
fn what_looks_at_every_row_costs_three_hundred_for_each_place_it_stands_in() {
    for (query, variables, cost) in [
        ("{total}", json!({}), 301),
        // Not as often as the page is long: what is asked of its items is loaded together.
        ("{list(first:9){a{total}}total}", json!({}), 620),
        ("{...F ...F}fragment F on T{total}", json!({}), 602),
        ("{a(seek:1)b(seek:null)}", json!({}), 302),
        ("{a(b:{seek:1 c:[{seek:2}{seek:null}]})}", json!({}), 602),
        ("query($s:A){a(seek:$s)b(seek:$s)}", json!({"s": 1}), 602),
        ("query($s:A){a(seek:$s)}", json!({"s": null}), 1),
        ("query($s:A){a(seek:$s)}", json!({}), 1),
        ("query($s:A=1){a(seek:$s)}", json!({}), 301),
        ("query($s:A=1){a(seek:$s)}", json!({"s": null}), 1),
        ("query($s:A=null){a(b:{seek:$s})}", json!({}), 1),
        ("query($s:A){a(b:{seek:$s})}", json!({"s": 1}), 301),
        (
            "query($f:A){a(b:$f)c(b:$f)}",
            json!({"f": [{"seek": 1, "or": {"seek": 2}}, {"seek": null}]}),
            1_204,
        ),
        ("query($f:A={seek:1}){a(b:$f)}", json!({}), 301),
        ("query A{total}query B{a}", json!({}), 301),
        ("{__type{total}}", json!({}), 1),
    ] {
        let asked = || Params {
            operation_name: query.contains("query A{").then(|| "A".to_owned()),
            ..params(query, variables.clone())
        };
        let mut limits = limits();
        limits.settings.max_cost = cost;
        assert_eq!(refusal_by(&limits, asked()), None, "{query} {variables}");
        limits.settings.max_cost = cost - 1;
        let refused = refusal_by(&limits, asked());
        let for_cost = refused.is_some_and(|refused| refused.contains("points of cost"));
        assert!(for_cost, "{query} {variables}");
    }
}
