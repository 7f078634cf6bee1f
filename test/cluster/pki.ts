import { generateKeyPairSync } from "node:crypto";
import { copyFileSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findProgram } from "../tools/programs.ts";
import { runCommand } from "../tools/run-command.ts";
import { addresses, dirs } from "./layout.ts";

/** One certificate serves all: every server of ours listens on the same address. */
const serverNames = [
	"DNS:localhost",
	`IP:${addresses.node}`,
	`IP:${addresses.kubernetesService}`,
	"DNS:kubernetes.default.svc",
	`DNS:kubernetes.default.svc.${addresses.domain}`,
	// The metrics service listens on the node address, the API server asks for it by its Service's name.
	"DNS:keda-metrics-apiserver.keda.svc",
];

/** For the file that pki/<name>.crt and .key are. */
export const pki = {
	ca: join(dirs.pki, "ca.crt"),
	serverCert: join(dirs.pki, "server.crt"),
	serverKey: join(dirs.pki, "server.key"),
	adminCert: join(dirs.pki, "admin.crt"),
	adminKey: join(dirs.pki, "admin.key"),
	frontProxyCert: join(dirs.pki, "front-proxy.crt"),
	frontProxyKey: join(dirs.pki, "front-proxy.key"),
	serviceAccountKey: join(dirs.pki, "service-account.key"),
	serviceAccountPublicKey: join(dirs.pki, "service-account.pub"),
} as const;

/** A fresh CA with what it signs, valid for 30 days; elliptic curves, as RSA keys would take seconds. */
export async function makePki(): Promise<void> {
	mkdirSync(dirs.kedaCerts, { recursive: true, mode: 0o700 });
	writeFileSync(join(dirs.pki, "openssl.cnf"), opensslConfig());
	await openssl("ca", "/CN=buildkit-scaler-cluster", ["-extensions", "ca"]);
	await Promise.all([
		sign("server", "/CN=server"),
		// O=system:masters is what makes it the administrator.
		sign("admin", "/O=system:masters/CN=admin"),
		sign("front-proxy", "/CN=front-proxy-client"),
	]);
	makeServiceAccountKey();
	copyFileSync(pki.ca, join(dirs.kedaCerts, "ca.crt"));
	copyFileSync(pki.serverCert, join(dirs.kedaCerts, "tls.crt"));
	copyFileSync(pki.serverKey, join(dirs.kedaCerts, "tls.key"));
}

function sign(name: string, subject: string): Promise<string> {
	const issuer = ["-CA", pki.ca, "-CAkey", join(dirs.pki, "ca.key")];
	return openssl(name, subject, [...issuer, "-extensions", name === "server" ? "server" : "client"]);
}

function openssl(name: string, subject: string, more: readonly string[]): Promise<string> {
	const config = ["-config", join(dirs.pki, "openssl.cnf")];
	const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
	const out = ["-keyout", join(dirs.pki, `${name}.key`), "-out", join(dirs.pki, `${name}.crt`)];
	const args = ["req", "-x509", ...config, ...key, ...out, "-days", "30", "-subj", subject, ...more];
	return runCommand(findProgram("openssl"), args);
}

// A file of our own, as -addext would add to whatever the machine's openssl.cnf already says.
function opensslConfig(): string {
	return `[req]
distinguished_name = subject
[subject]
[ca]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
[server]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = ${serverNames.join(", ")}
[client]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = clientAuth
`;
}

function makeServiceAccountKey(): void {
	const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
	writeFileSync(pki.serviceAccountKey, privateKey.export({ type: "sec1", format: "pem" }), { mode: 0o600 });
	writeFileSync(pki.serviceAccountPublicKey, publicKey.export({ type: "spki", format: "pem" }));
}
