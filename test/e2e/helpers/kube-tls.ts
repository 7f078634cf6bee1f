// Certificates as clusters keep them, and what a proxy shows of them.
import { once } from "node:events";
import { connect } from "node:tls";
import type { Cluster } from "../../cluster/cluster.ts";
import { type CertificateFiles, pem } from "../../helpers/certificates.ts";
import type { Release } from "./kube-release.ts";

/** The keys of a Secret, as in the chart's values. */
export const certManagerKeys = { cert: "tls.crt", key: "tls.key", ca: "ca.crt" };
export const createCertsKeys = { cert: "cert.pem", key: "key.pem", ca: "ca.pem" };

/** Makes a Secret, or gives it another certificate. */
export async function putTlsSecret(
	cluster: Cluster,
	{ namespace, name }: { readonly namespace: string; readonly name: string },
	files: CertificateFiles,
	keys: typeof certManagerKeys,
): Promise<void> {
	const { cert, key, ca } = pem(files);
	const data = { [keys.cert]: cert, [keys.key]: key, [keys.ca]: ca };
	const type = keys === certManagerKeys ? "kubernetes.io/tls" : "Opaque";
	const secret = { apiVersion: "v1", kind: "Secret", metadata: { name, namespace }, type, stringData: data };
	await cluster.apply([secret]);
}

/** The common name in the certificate that each proxy of a release shows to this client. */
export async function shownByProxies(
	release: Release,
	client: CertificateFiles,
	serverName: string,
): Promise<string[]> {
	const pods = await release.pods("proxy");
	return await Promise.all(
		pods.map(async ({ status }) => {
			const at = { host: status?.podIP ?? "", port: 1234, servername: serverName };
			const socket = connect({ ...at, ...pem(client), ALPNProtocols: ["h2"] });
			await once(socket, "secureConnect");
			const name = String(socket.getPeerCertificate().subject.CN);
			socket.destroy();
			return name;
		}),
	);
}

/** The kubelet looks for new Secrets about once a minute, and at once when a pod changes. */
export async function touchProxies(cluster: Cluster, { name, namespace }: Release): Promise<void> {
	const pods = ["pods", "--selector", `app.kubernetes.io/component=proxy,app.kubernetes.io/instance=${name}`];
	const annotation = `example.com/touched=${Date.now()}`;
	await cluster.kubectl(["annotate", "--overwrite", ...pods, annotation, "--namespace", namespace]);
}
