use sqlparser::ast::*;
use std::ops::ControlFlow;
struct V; impl VisitorMut for V { type Break=(); }
fn main(){
  let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
  let what = std::env::args().nth(2).unwrap();
  let t=std::thread::Builder::new().stack_size(2<<20).spawn(move||{
    let sql=format!("SELECT a{}", " + 1".repeat(n));
    let mut s=sqlparser::parser::Parser::parse_sql(&hoga_sql::FlinkDialect,&sql).unwrap();
    match what.as_str(){ "parse"=>std::mem::forget(s),"drop"=>drop(s),"visit"=>{let _: ControlFlow<()>=VisitMut::visit(&mut s, &mut V); std::mem::forget(s)},"show"=>{println!("{}",s[0].to_string().len());std::mem::forget(s)},"clone"=>{std::mem::forget(s.clone());std::mem::forget(s)},"span"=>{println!("{:?}",s[0].span());std::mem::forget(s)}, _=>{} }
  }).unwrap(); t.join().unwrap();
}
