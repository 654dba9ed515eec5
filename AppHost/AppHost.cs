using RagPlatform.AppHost;
using RagPlatform.AppHost.Backends;
using RagPlatform.AppHost.Operations;

var builder = DistributedApplication.CreateBuilder(args);
var folder = builder.AddDataFolder();

// Services authenticate to each other with it, and it opens everything for the operator.
var adminKey = builder.AddParameter("admin-key", new AdminKeyDefault(folder.Files), secret: true)
    .WithDescription("The admin key: every service accepts it. Unless you set it, it is the one in `admin.key` in the data folder.", enableMarkdown: true);

// Empty means the built-in provider, so neither a start nor a deployment asks for it.
var openAiKey = builder.AddParameter("openai-api-key", new OptionalSecret(builder.Configuration["OPENAI_API_KEY"]), secret: true)
    .WithDescription("The OpenAI API key. Empty: the built-in provider, which needs none.");

// PostgreSQL with pgvector, and Valkey: in containers, of this machine, or elsewhere. What follows is the same for all three.
var (database, cache) = builder.AddBackends(folder);

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
    .WithReplicas(2)
    .WithHttpHealthCheck("/health");

var searchApi = builder.AddProject<Projects.SearchApi>("search-api")
    .WithReference(database).WaitFor(database)
    .WithReference(cache).WaitFor(cache)
    .WithReference(embeddingService).WaitFor(embeddingService)
    .WithEnvironment("Auth__AdminKey", adminKey)
    .WithReplicas(2)
    .WithExternalHttpEndpoints()
    .WithHttpHealthCheck("/health");

var dashboard = builder.AddProject<Projects.Dashboard>("dashboard")
    .WithReference(searchApi).WaitFor(searchApi)
    .WithReference(embeddingService)
    .WithReference(indexingWorker)
    .WithEnvironment("Auth__AdminKey", adminKey)
    .WithExternalHttpEndpoints()
    .WithHttpHealthCheck("/health");

// What only a person at the Aspire dashboard, or an agent at its MCP server, uses.
embeddingService.WithNamedLink("Embedding gateway", "/v1/models");
indexingWorker.WithNamedLink("Worker", "/health");
searchApi.WithNamedLink("API reference", "/").WithSearchCommands(adminKey);
dashboard.WithNamedLink("Dashboard", "/").WithKeysIn(folder);
cache.WithFlushCommand();
builder.AddLoadGenerator(searchApi, adminKey);
builder.UsePlainHttp();

return await builder.RunPlatformAsync(folder, searchApi, embeddingService, indexingWorker, dashboard);
