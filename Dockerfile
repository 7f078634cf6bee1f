# The image of all commands: docker build -t buildkit-scaler .
# Where packages come from a registry of your own: docker build --secret id=npmrc,src=$HOME/.npmrc ...

FROM node:26-slim AS build
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --no-audit --no-fund
COPY . .
RUN npm run build

FROM node:26-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc npm ci --omit=dev --no-audit --no-fund
# Most of the Kubernetes client is a second copy of its types and source maps, which nothing reads at run time.
RUN find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -exec rm {} +

FROM node:26-slim
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="buildkit-scaler" \
      org.opencontainers.image.description="Connection proxy and KEDA external scaler that run buildkitd only while someone builds" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
ENV NODE_ENV=production
WORKDIR /app
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# A number, so that Kubernetes can check runAsNonRoot. It writes no files: the root file system may be read-only.
USER 65532:65532
EXPOSE 1234 6000 8081
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
