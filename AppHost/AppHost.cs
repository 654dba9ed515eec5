using RagPlatform.AppHost;

var builder = DistributedApplication.CreateBuilder(args);

// Services authenticate to each other with it, and it opens everything for the operator. Generated, and kept in the user secrets.
var adminKey = builder.AddParameter(
    "admin-key", new GenerateParameterDefault { MinLength = 32, Special = false }, secret: true, persist: true)
    .WithDescription("The admin key: every service accepts it.");

// Empty means the built-in provider, so neither a start nor a deployment asks for it.
var openAiKey = builder.AddParameter("openai-api-key", new OptionalSecret(builder.Configuration["OPENAI_API_KEY"]), secret: true)
    .WithDescription("The OpenAI API key. Empty: the built-in provider, which needs none.");

// The image comes before the volume: where the volume is mounted depends on the image's major version.
// Parallel index builds share memory through /dev/shm, of which a container has 64 MB unless told otherwise.
var postgres = builder.AddPostgres("postgres")
    .WithImage("pgvector/pgvector", "0.8.6-pg17")
    .WithContainerRuntimeArgs("--shm-size=1g");
var database = postgres.AddDatabase("ragdb");
var cache = builder.AddRedis("cache").WithImage("valkey/valkey", "8.1").WithEviction("1gb");

// Tests pass UseVolumes=false and get containers that go with them. What is published has no volumes: the target decides about storage.
if (builder.ExecutionContext.IsRunMode && builder.Configuration["UseVolumes"] != "false")
{
    postgres.WithDataVolume().WithLifetime(ContainerLifetime.Persistent);
    cache.WithDataVolume().WithPersistence(TimeSpan.FromMinutes(15)).WithLifetime(ContainerLifetime.Persistent);
}

// Each service migrates the schema when it starts, under a lock, so none waits for another because of the schema.
var embeddingService = builder.AddProject<Projects.EmbeddingService>("embedding-service")
    .WithReference(database).WaitFor(database)
    .WithReference(cache).WaitFor(cache)
    .WithEnvironment("Auth__AdminKey", adminKey)
    .WithEnvironment("OPENAI_API_KEY", openAiKey)
    .WithHttpHealthCheck("/health");

var indexingWorker = builder.AddProject<Projects.IndexingWorker>("indexing-worker")
    .WithReference(database).WaitFor(database)
    .WithReference(cache).WaitFor(cache)
    .WithReference(embeddingService).WaitFor(embeddingService)
    .WithEnvironment("Auth__AdminKey", adminKey)
    .WithHttpHealthCheck("/health");

var searchApi = builder.AddProject<Projects.SearchApi>("search-api")
    .WithReference(database).WaitFor(database)
    .WithReference(cache).WaitFor(cache)
    .WithReference(embeddingService).WaitFor(embeddingService)
    .WithEnvironment("Auth__AdminKey", adminKey)
    .WithExternalHttpEndpoints()
    .WithHttpHealthCheck("/health");

builder.AddProject<Projects.Dashboard>("dashboard")
    .WithReference(searchApi).WaitFor(searchApi)
    .WithReference(embeddingService)
    .WithReference(indexingWorker)
    .WithEnvironment("Auth__AdminKey", adminKey)
    .WithExternalHttpEndpoints()
    .WithHttpHealthCheck("/health");

builder.Build().Run();
