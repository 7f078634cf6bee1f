import { findProgram } from "../tools/programs.ts";
import type { ComponentSpec } from "./component-spec.ts";
import { answers } from "./http.ts";
import { addresses, dirs, files, ports } from "./layout.ts";
import { pki } from "./pki.ts";

const etcdUrl = `http://${addresses.node}:${ports.etcd}`;

export function etcd(): ComponentSpec {
	const peerUrl = `http://${addresses.node}:${ports.etcdPeer}`;
	return {
		name: "etcd",
		command: [
			findProgram("etcd"),
			"--name=etcd",
			`--data-dir=${dirs.etcd}`,
			`--listen-client-urls=${etcdUrl}`,
			`--advertise-client-urls=${etcdUrl}`,
			`--listen-peer-urls=${peerUrl}`,
			`--initial-advertise-peer-urls=${peerUrl}`,
			`--initial-cluster=etcd=${peerUrl}`,
		],
		isReady: () => answers(ports.etcd, "/health"),
	};
}

export function apiserver(): ComponentSpec {
	return {
		name: "apiserver",
		command: [
			findProgram("kube-apiserver"),
			`--etcd-servers=${etcdUrl}`,
			`--bind-address=${addresses.node}`,
			`--advertise-address=${addresses.node}`,
			`--secure-port=${ports.apiserver}`,
			`--client-ca-file=${pki.ca}`,
			`--tls-cert-file=${pki.serverCert}`,
			`--tls-private-key-file=${pki.serverKey}`,
			`--service-account-key-file=${pki.serviceAccountPublicKey}`,
			`--service-account-signing-key-file=${pki.serviceAccountKey}`,
			`--service-account-issuer=https://kubernetes.default.svc.${addresses.domain}`,
			`--service-cluster-ip-range=${addresses.services}`,
			"--kubelet-preferred-address-types=InternalIP",
			`--kubelet-certificate-authority=${pki.ca}`,
			"--authorization-mode=RBAC",
			// buildkitd's containers are privileged.
			"--allow-privileged=true",
			// The aggregation layer, by which external metrics reach KEDA's adapter.
			`--requestheader-client-ca-file=${pki.ca}`,
			"--requestheader-allowed-names=front-proxy-client",
			"--requestheader-username-headers=X-Remote-User",
			"--requestheader-group-headers=X-Remote-Group",
			"--requestheader-extra-headers-prefix=X-Remote-Extra-",
			`--proxy-client-cert-file=${pki.frontProxyCert}`,
			`--proxy-client-key-file=${pki.frontProxyKey}`,
		],
		isReady: () => answers(ports.apiserver, "/readyz", "https"),
	};
}

const asAdmin = [
	`--kubeconfig=${files.kubeconfig}`,
	`--authentication-kubeconfig=${files.kubeconfig}`,
	`--authorization-kubeconfig=${files.kubeconfig}`,
	// One of each: electing a leader would only cost time at the start.
	"--leader-elect=false",
	`--bind-address=${addresses.node}`,
	`--tls-cert-file=${pki.serverCert}`,
	`--tls-private-key-file=${pki.serverKey}`,
];

export function controllerManager(): ComponentSpec {
	return {
		name: "kcm",
		command: [
			findProgram("kube-controller-manager"),
			...asAdmin,
			`--secure-port=${ports.controllerManager}`,
			`--service-account-private-key-file=${pki.serviceAccountKey}`,
			`--root-ca-file=${pki.ca}`,
			// 15 s upstream: a test would wait long for each step of a scale-up.
			"--horizontal-pod-autoscaler-sync-period=5s",
			// Its built-in provisioner for tests makes the volumes of our default StorageClass (storage.ts).
			"--enable-hostpath-provisioner=true",
			`--flex-volume-plugin-dir=${dirs.flexVolumes}`,
		],
		// Where the volumes' folders are, see node-mounts.ts.
		onNode: true,
		isReady: () => answers(ports.controllerManager, "/healthz", "https"),
	};
}

export function scheduler(): ComponentSpec {
	return {
		name: "scheduler",
		command: [findProgram("kube-scheduler"), ...asAdmin, `--secure-port=${ports.scheduler}`],
		isReady: () => answers(ports.scheduler, "/readyz", "https"),
	};
}
