// A kit to be killed: starts a cluster and holds it.
import { startCluster } from "../start-cluster.ts";

await startCluster();
process.stderr.write("held\n");
setInterval(() => {}, 60_000);
