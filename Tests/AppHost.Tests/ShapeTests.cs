namespace RagPlatform.AppHost.Tests;

/// <summary>What the AppHost consists of: the same names, references, waits and health checks, wherever the servers come from.</summary>
public sealed class ShapeTests(AppModel model)
{
    private static readonly string[] s_servers = ["postgres", "ragdb", "cache"];
    private static readonly string[] s_services = ["embedding-service", "indexing-worker", "search-api", "dashboard"];

    public static TheoryData<string> Backends => ["containers", "local", "external"];

    [Theory]
    [MemberData(nameof(Backends))]
    public void Resources_EachName_IsThereAndChecked(string backends)
    {
        foreach (var name in s_servers.Concat(s_services))
        {
            var resource = Find(name, backends);

            // Servers of somebody else's have none here: a connection string with a health check is never started for those who wait for it.
            Assert.Equal(backends != "external" || s_services.Contains(name), resource.Annotations.OfType<HealthCheckAnnotation>().Any());
        }

        Assert.All(s_services, name => Assert.IsType<ProjectResource>(Find(name, backends)));
        Assert.True(Assert.IsType<ParameterResource>(Find("admin-key", backends)).Secret);
        Assert.True(Assert.IsType<ParameterResource>(Find("openai-api-key", backends)).Secret);
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Service_WaitsForAndReferences_WhatItNeeds(string backends)
    {
        Requires("embedding-service", ["ragdb", "cache"], []);
        Requires("indexing-worker", ["ragdb", "cache", "embedding-service"], []);
        Requires("search-api", ["ragdb", "cache", "embedding-service"], []);
        Requires("dashboard", ["search-api"], ["embedding-service", "indexing-worker"]);

        void Requires(string service, string[] awaited, string[] referenced)
        {
            var resource = Find(service, backends);
            var waits = resource.Annotations.OfType<WaitAnnotation>()
                .Where(wait => wait.WaitType == WaitType.WaitUntilHealthy).Select(wait => wait.Resource.Name).ToHashSet();
            // WaitFor of a database adds a wait for its server.
            waits.Remove("postgres");
            Assert.Equal(awaited.Order(), waits.Order());
            var references = resource.Annotations.OfType<ResourceRelationshipAnnotation>()
                .Where(relation => relation.Type == "Reference").Select(relation => relation.Resource.Name).ToHashSet();
            Assert.Superset(awaited.Concat(referenced).ToHashSet(), references);
        }
    }

    [Theory]
    [InlineData("embedding-service", false, 1)]
    [InlineData("indexing-worker", false, 2)]
    [InlineData("search-api", true, 2)]
    [InlineData("dashboard", true, 1)]
    public void Service_EndpointsAndReplicas_AreAsUsersAndLoadNeed(string service, bool external, int replicas)
    {
        var resource = Find(service);

        var endpoints = resource.Annotations.OfType<EndpointAnnotation>().ToArray();
        Assert.NotEmpty(endpoints);
        Assert.All(endpoints, endpoint => Assert.Equal(external, endpoint.IsExternal));
        Assert.Equal(replicas, resource.Annotations.OfType<ReplicaAnnotation>().LastOrDefault()?.Replicas ?? 1);
    }

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
    [InlineData("postgres", "/var/lib/postgresql/data")]
    [InlineData("cache", "/data")]
    public void Container_ByDefault_KeepsItsData(string name, string target)
    {
        var resource = Find(name);

        var mount = Assert.Single(resource.Annotations.OfType<ContainerMountAnnotation>());
        Assert.Equal(ContainerMountType.Volume, mount.Type);
        Assert.Equal(target, mount.Target);
        AssertEndsWithTheApplication(resource);
    }

    [Theory]
    [InlineData("postgres")]
    [InlineData("cache")]
    public void Container_UseVolumesFalse_LeavesNothingBehind(string name)
    {
        var resource = Assert.Single(model.WithoutVolumes, resource => resource.Name == name);

        Assert.Empty(resource.Annotations.OfType<ContainerMountAnnotation>());
        AssertEndsWithTheApplication(resource);
    }

    private static void AssertEndsWithTheApplication(IResource resource) => Assert.DoesNotContain(
        resource.Annotations.OfType<ContainerLifetimeAnnotation>(), annotation => annotation.Lifetime == ContainerLifetime.Persistent);

    [Fact]
    public async Task Local_Arguments_HaveNoSecret()
    {
        foreach (var name in (string[])["postgres", "cache"])
        {
            var context = new CommandLineArgsCallbackContext([]);
            foreach (var callback in Find(name, "local").Annotations.OfType<CommandLineArgsCallbackAnnotation>())
            {
                await callback.Callback(context);
            }

            Assert.Contains("--data", context.Args);
            Assert.DoesNotContain(context.Args, argument => argument.ToString()!.Contains("password", StringComparison.OrdinalIgnoreCase));
        }
    }

    [Theory]
    [MemberData(nameof(Backends))]
    public void Commands_OfPeopleAndAgents_AskForConfirmationAndAreVisibleToBoth(string backends)
    {
        foreach (var (name, commands) in (ReadOnlySpan<(string, string[])>)
            [("cache", ["flush"]), ("search-api", ["reindex-all", "replay-dead-letters", "ingest-samples"])])
        {
            foreach (var command in commands)
            {
                var annotation = Assert.Single(
                    Find(name, backends).Annotations.OfType<ResourceCommandAnnotation>(), annotation => annotation.Name == command);
                Assert.NotNull(annotation.ConfirmationMessage);
                Assert.NotNull(annotation.DisplayDescription);
                Assert.True(annotation.Visibility.HasFlag(ResourceCommandVisibility.UI | ResourceCommandVisibility.Api));
            }
        }
    }

    [Fact]
    public void Load_IsStartedByHandAndNotDeployed()
    {
        var load = Find("load");

        Assert.Single(load.Annotations.OfType<ExplicitStartupAnnotation>());
        Assert.Same(ManifestPublishingCallbackAnnotation.Ignore, Assert.Single(load.Annotations.OfType<ManifestPublishingCallbackAnnotation>()));
    }

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

    private IResource Find(string name, string backends = "containers") => Assert.Single(model.Of(backends), resource => resource.Name == name);
}
