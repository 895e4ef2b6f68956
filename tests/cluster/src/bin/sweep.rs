//! Takes away what the tests of a run have left in the cluster; tells first what does not run there, if asked to.
#![expect(clippy::print_stdout, reason = "what doesn't run is told to whoever looks for why a test failed")]

use anyhow::Result;
use cluster_tests::Cluster;

#[tokio::main]
async fn main() -> Result<()> {
    let cluster = Cluster::open().await?;
    for namespace in cluster.left().await? {
        if std::env::args().any(|argument| argument == "--tell") {
            print!("{}", cluster.troubles(&namespace).await?);
        }
        cluster.delete_namespace(&namespace).await?;
    }
    Ok(())
}
