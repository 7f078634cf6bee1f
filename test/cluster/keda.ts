import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { findGo } from "../tools/go.ts";
import { keda } from "../tools/go-modules.ts";
import { toolsDir } from "../tools/paths.ts";
import { findProgram } from "../tools/programs.ts";
import { runCommand } from "../tools/run-command.ts";
import type { ComponentSpec } from "./component-spec.ts";
import { answers } from "./http.ts";
import { kubectl } from "./kubectl.ts";
import { addresses, dirs, files, ports } from "./layout.ts";
import { withClusterDns } from "./node-mounts.ts";
import { pki } from "./pki.ts";

const metricsService = `${addresses.node}:${ports.kedaMetricsService}`;

export function kedaOperator(): ComponentSpec {
	const command = [
		findProgram("keda-operator"),
		`--cert-dir=${dirs.kedaCerts}`,
		"--enable-cert-rotation=false",
		"--leader-elect=false",
		`--metrics-bind-address=${addresses.node}:${ports.kedaOperatorMetrics}`,
		`--health-probe-bind-address=${addresses.node}:${ports.kedaOperatorHealth}`,
		`--metrics-service-bind-address=${metricsService}`,
		// 20 and 30 upstream: a burst of scalings in a test must not wait in the client.
		"--kube-api-qps=200",
		"--kube-api-burst=400",
	];
	return {
		name: "keda-operator",
		command: withClusterDns(command),
		env: {
			KUBECONFIG: files.kubeconfig,
			WATCH_NAMESPACE: "",
			POD_NAMESPACE: "keda",
			KEDA_CLUSTER_OBJECT_NAMESPACE: "keda",
		},
		isReady: () => answers(ports.kedaOperatorHealth, "/readyz"),
	};
}

/** Serves external.metrics.k8s.io to the HPA controller, through the API server. */
export function kedaAdapter(): ComponentSpec {
	const command = [
		findProgram("keda-adapter"),
		`--kubeconfig=${files.kubeconfig}`,
		`--lister-kubeconfig=${files.kubeconfig}`,
		`--authentication-kubeconfig=${files.kubeconfig}`,
		`--authorization-kubeconfig=${files.kubeconfig}`,
		`--bind-address=${addresses.node}`,
		`--secure-port=${ports.kedaAdapter}`,
		`--port=${ports.kedaAdapterMetrics}`,
		`--cert-dir=${dirs.kedaCerts}`,
		`--tls-cert-file=${pki.serverCert}`,
		`--tls-private-key-file=${pki.serverKey}`,
		`--metrics-service-address=${metricsService}`,
	];
	return {
		name: "keda-adapter",
		command: withClusterDns(command),
		env: { KUBECONFIG: files.kubeconfig, WATCH_NAMESPACE: "", POD_NAMESPACE: "keda" },
		isReady: () => answers(ports.kedaAdapter, "/readyz", "https"),
	};
}

export async function applyKedaCrds(): Promise<void> {
	await kubectl(["apply", "--server-side", "-f", await crdFolder()]);
}

// KEDA's CRDs come with its module's sources; kept, as a machine may have .tools and no Go.
async function crdFolder(): Promise<string> {
	const folder = join(toolsDir, `keda-crds-${keda.version}`);
	if (existsSync(folder)) return folder;
	const go = findGo() ?? "go";
	const module = `github.com/kedacore/keda/v2@${keda.version}`;
	// GOFLAGS and GOWORK of the user must not reach it.
	const env = { ...process.env, GOFLAGS: "", GOWORK: "off" };
	const { Dir } = JSON.parse(await runCommand(go, ["mod", "download", "-json", module], { env })) as {
		Dir: string;
	};
	mkdirSync(toolsDir, { recursive: true });
	const temporary = mkdtempSync(`${folder}-`);
	cpSync(join(Dir, "config", "crd", "bases"), temporary, { recursive: true });
	rmSync(folder, { recursive: true, force: true });
	renameSync(temporary, folder);
	return folder;
}

/** Points the API server at the adapter: an ExternalName Service, as the adapter is no pod. */
export function kedaMetricsApi(): readonly object[] {
	const service = { name: "keda-metrics-apiserver", namespace: "keda" };
	return [
		{ apiVersion: "v1", kind: "Namespace", metadata: { name: "keda" } },
		{
			apiVersion: "v1",
			kind: "Service",
			metadata: service,
			spec: { type: "ExternalName", externalName: addresses.node, ports: [{ port: ports.kedaAdapter }] },
		},
		{
			apiVersion: "apiregistration.k8s.io/v1",
			kind: "APIService",
			metadata: { name: "v1beta1.external.metrics.k8s.io" },
			spec: {
				group: "external.metrics.k8s.io",
				version: "v1beta1",
				groupPriorityMinimum: 100,
				versionPriority: 100,
				caBundle: readFileSync(pki.ca).toString("base64"),
				service: { ...service, port: ports.kedaAdapter },
			},
		},
	];
}
