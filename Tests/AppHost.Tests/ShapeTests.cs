namespace RagPlatform.AppHost.Tests;

/// <summary>What the AppHost consists of.</summary>
public sealed class ShapeTests(AppModel model)
{
    [Theory]
    [InlineData("postgres", typeof(PostgresServerResource))]
    [InlineData("ragdb", typeof(PostgresDatabaseResource))]
    [InlineData("cache", typeof(RedisResource))]
    [InlineData("embedding-service", typeof(ProjectResource))]
    [InlineData("indexing-worker", typeof(ProjectResource))]
    [InlineData("search-api", typeof(ProjectResource))]
    [InlineData("dashboard", typeof(ProjectResource))]
    [InlineData("admin-key", typeof(ParameterResource))]
    [InlineData("openai-api-key", typeof(ParameterResource))]
    public void Resources_EachName_IsOfItsType(string name, Type type) => Assert.IsType(type, Find(name));

    // pgvector's image for PostgreSQL 17: with 18 the data moved to another folder, which WithDataVolume does not know for this image.
    [Theory]
    [InlineData("postgres", "pgvector/pgvector", "0.8.6-pg17")]
    [InlineData("cache", "valkey/valkey", null)]
    public void Container_Image_IsPinned(string name, string image, string? tag)
    {
        var annotation = Assert.Single(Find(name).Annotations.OfType<ContainerImageAnnotation>());

        Assert.Equal(image, annotation.Image);
        Assert.NotEqual("latest", annotation.Tag);
        Assert.Equal(tag ?? annotation.Tag, annotation.Tag);
    }

    [Theory]
    [InlineData("embedding-service", "ragdb", "cache")]
    [InlineData("indexing-worker", "ragdb", "cache", "embedding-service")]
    [InlineData("search-api", "ragdb", "cache", "embedding-service")]
    [InlineData("dashboard", "search-api")]
    public void Service_WaitsFor_WhatItNeedsAtStart(string service, params string[] dependencies)
    {
        var waits = Find(service).Annotations.OfType<WaitAnnotation>()
            .Where(wait => wait.WaitType == WaitType.WaitUntilHealthy)
            .Select(wait => wait.Resource.Name);

        Assert.Subset(waits.ToHashSet(), dependencies.ToHashSet());
    }

    [Theory]
    [InlineData("embedding-service", "ragdb", "cache")]
    [InlineData("indexing-worker", "ragdb", "cache", "embedding-service")]
    [InlineData("search-api", "ragdb", "cache", "embedding-service")]
    [InlineData("dashboard", "search-api", "embedding-service", "indexing-worker")]
    public void Service_References_WhatItCalls(string service, params string[] dependencies)
    {
        var references = Find(service).Annotations.OfType<ResourceRelationshipAnnotation>()
            .Where(relation => relation.Type == "Reference")
            .Select(relation => relation.Resource.Name);

        Assert.Subset(references.ToHashSet(), dependencies.ToHashSet());
    }

    [Theory]
    [InlineData("embedding-service", false)]
    [InlineData("indexing-worker", false)]
    [InlineData("search-api", true)]
    [InlineData("dashboard", true)]
    public void Service_HttpEndpoints_AreExternalWhereUsersCall(string service, bool external)
    {
        var endpoints = Find(service).Annotations.OfType<EndpointAnnotation>().ToArray();

        Assert.NotEmpty(endpoints);
        Assert.All(endpoints, endpoint => Assert.Equal(external, endpoint.IsExternal));
    }

    [Theory]
    [InlineData("postgres")]
    [InlineData("ragdb")]
    [InlineData("cache")]
    [InlineData("embedding-service")]
    [InlineData("indexing-worker")]
    [InlineData("search-api")]
    [InlineData("dashboard")]
    public void Resource_Health_IsChecked(string name) => Assert.NotEmpty(Find(name).Annotations.OfType<HealthCheckAnnotation>());

    [Theory]
    [InlineData("postgres", "/var/lib/postgresql/data")]
    [InlineData("cache", "/data")]
    public void Container_ByDefault_KeepsItsData(string name, string target)
    {
        var resource = Find(name);

        var mount = Assert.Single(resource.Annotations.OfType<ContainerMountAnnotation>());
        Assert.Equal(ContainerMountType.Volume, mount.Type);
        Assert.Equal(target, mount.Target);
        Assert.Equal(ContainerLifetime.Persistent, Assert.Single(resource.Annotations.OfType<ContainerLifetimeAnnotation>()).Lifetime);
    }

    [Theory]
    [InlineData("postgres")]
    [InlineData("cache")]
    public void Container_UseVolumesFalse_LeavesNothingBehind(string name)
    {
        var resource = Find(name, model.WithoutVolumes);

        Assert.Empty(resource.Annotations.OfType<ContainerMountAnnotation>());
        Assert.DoesNotContain(
            resource.Annotations.OfType<ContainerLifetimeAnnotation>(), annotation => annotation.Lifetime == ContainerLifetime.Persistent);
    }

    [Theory]
    [InlineData("admin-key")]
    [InlineData("openai-api-key")]
    public void Parameter_Keys_AreSecret(string name) => Assert.True(Assert.IsType<ParameterResource>(Find(name)).Secret);

    [Fact]
    public async Task OpenAiKey_NotConfigured_IsEmptyInsteadOfMissing()
    {
        var parameter = Assert.IsType<ParameterResource>(Find("openai-api-key"));

        Assert.Equal("", await parameter.GetValueAsync(TestContext.Current.CancellationToken));
    }

    [Fact]
    public async Task AdminKey_Configured_IsTakenAsItIs()
    {
        var parameter = Assert.IsType<ParameterResource>(Find("admin-key"));

        Assert.Equal("test-admin-key-0123456789abcdef", await parameter.GetValueAsync(TestContext.Current.CancellationToken));
    }

    private IResource Find(string name, IResourceCollection? resources = null) =>
        Assert.Single(resources ?? model.Default, resource => resource.Name == name);
}
