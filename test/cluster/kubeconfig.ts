import { writeFileSync } from "node:fs";
import { KubeConfig } from "@kubernetes/client-node";
import { apiserverUrl, files } from "./layout.ts";
import { pki } from "./pki.ts";

const name = "buildkit-scaler";

export function writeKubeconfig(): void {
	const config = {
		apiVersion: "v1",
		kind: "Config",
		clusters: [{ name, cluster: { server: apiserverUrl, "certificate-authority": pki.ca } }],
		users: [{ name, user: { "client-certificate": pki.adminCert, "client-key": pki.adminKey } }],
		contexts: [{ name, context: { cluster: name, user: name } }],
		"current-context": name,
	};
	// JSON is YAML.
	writeFileSync(files.kubeconfig, JSON.stringify(config, undefined, "\t"), { mode: 0o600 });
}

export function loadKubeconfig(): KubeConfig {
	const config = new KubeConfig();
	config.loadFromFile(files.kubeconfig);
	return config;
}
