// Stock clients inside the cluster.
import type { V1Pod } from "@kubernetes/client-node";
import type { Cluster } from "../../cluster/cluster.ts";
import { buildkitdImage } from "../../cluster/images/buildkitd.ts";

/** A pod to build from: it has buildctl and a shell. */
export interface ClientPod {
	/** `buildctl build` of a small context with a RUN step; gives what it printed, throws if it fails. */
	build(address: string, options?: { readonly step?: string }): Promise<string>;
}

export async function startClientPod(cluster: Cluster, namespace: string): Promise<ClientPod> {
	const name = "client";
	await cluster.apply([
		{
			apiVersion: "v1",
			kind: "Pod",
			metadata: { name, namespace },
			spec: {
				terminationGracePeriodSeconds: 0,
				containers: [{ name: "main", image: buildkitdImage, command: ["/bin/sleep", "infinity"] }],
			},
		},
	]);
	await cluster.waitFor(
		{ path: `/api/v1/namespaces/${namespace}/pods`, name },
		([pod]: readonly V1Pod[]) => pod?.status?.phase === "Running",
		{ what: "the client's pod runs" },
	);
	return {
		build(address, { step = "echo built" } = {}) {
			const run = JSON.stringify(["/bin/busybox", "sh", "-c", step]);
			const script = `
				set -e
				folder=/tmp/$$
				mkdir $folder
				cp /bin/busybox $folder/
				cat > $folder/Dockerfile <<-END
				FROM scratch
				COPY busybox /bin/busybox
				RUN ${run}
				END
				exec buildctl --addr ${address} build --progress=plain --frontend=dockerfile.v0 \\
					--local context=$folder --local dockerfile=$folder 2>&1`;
			return cluster.kubectl(["exec", "--namespace", namespace, name, "--", "/bin/sh", "-c", script]);
		},
	};
}
