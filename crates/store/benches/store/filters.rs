//! The lists that readers ask for.

use store::{Sort, TargetFilter};

pub(crate) fn filters() -> Vec<(String, TargetFilter)> {
    let of = |what: &str, change: &dyn Fn(&mut TargetFilter)| {
        let mut filter = TargetFilter::default();
        change(&mut filter);
        (what.to_owned(), filter)
    };
    vec![
        of("all by letter", &|_| ()),
        of("all by name", &|f| f.sort = Sort::Name),
        of("all by last scan", &|f| f.sort = Sort::Checked),
        of("all by last change", &|f| f.sort = Sort::Changed),
        of("letter C", &|f| f.letter = Some("C".into())),
        of("letter C by last scan", &|f| {
            f.letter = Some("C".into());
            f.sort = Sort::Checked;
        }),
        of("class oauth", &|f| {
            f.class = Some(scanner::report::Class::Oauth);
        }),
        of("class and PKCE and letter", &|f| {
            f.class = Some(scanner::report::Class::Oauth);
            f.pkce = Some("absent".into());
            f.letter = Some("C".into());
        }),
        of("registration by name", &|f| {
            f.registration = Some("dcr_only".into());
            f.sort = Sort::Name;
        }),
        of("failing, many", &|f| {
            f.failing = Some("pkce-advertised".into());
        }),
        of("failing, few", &|f| {
            f.failing = Some("tls-certificate-valid".into());
        }),
        of("failing and letter by change", &|f| {
            f.failing = Some("pkce-advertised".into());
            f.letter = Some("C".into());
            f.sort = Sort::Changed;
        }),
        of("source", &|f| f.source = Some("registry".into())),
        of("search, rare", &|f| f.q = Some("operator1234/".into())),
        of("search, common", &|f| f.q = Some("calendar".into())),
        of("search, common, by name", &|f| {
            f.q = Some("calendar".into());
            f.sort = Sort::Name;
        }),
        of("search, common, with class", &|f| {
            f.q = Some("ledger".into());
            f.class = Some(scanner::report::Class::Open);
        }),
        of("search, nothing", &|f| f.q = Some("zzz nothing".into())),
        of("search, two letters", &|f| f.q = Some("no".into())),
    ]
}
