using System.Text;
using System.Text.Json;
using RagPlatform.Contracts;
using RagPlatform.ServiceDefaults.Http;

namespace RagPlatform.ServiceDefaults.Tests.Http;

// The sentences are made from the framework's messages, so that a new framework may change them: these tests notice.
public sealed class UnreadableRequestTests
{
    private static readonly JsonSerializerOptions s_options = CreateOptions();

    [Theory]
    [InlineData("""{"text":1}""", "text", "a string")]
    [InlineData("""{"text":[]}""", "text", "a string")]
    [InlineData("""{"text":"a","priority":"urgent"}""", "priority", "low, normal, high")]
    [InlineData("""{"text":"a","priority":1}""", "priority", "low, normal, high")]
    [InlineData("""{"text":"a","title":null}""", "title", "null")]
    [InlineData("""{"text":"a","text":"b"}""", "text", "twice")]
    [InlineData("""{"text":"a","metadata":{"k":1,"k":2}}""", "metadata", "twice")]
    [InlineData("""{"text":"a","titel":"b"}""", "titel", "no member")]
    [InlineData("""{"text":"\ud800"}""", "text", "Unicode")]
    [InlineData("[]", "body", "an object")]
    [InlineData("""{"text":"a",}""", "body", "line 1")]
    [InlineData("{\"text\":\n\"a", "body", "line 2")]
    [InlineData("", "body", "not valid JSON")]
    public void Describe_ADocumentThatCannotBeRead_NamesTheFieldAndNoDotNetType(string json, string field, string reason) =>
        Expect<DocumentPut>(Encoding.UTF8.GetBytes(json), field, reason);

    [Theory]
    [InlineData("""{"documents":{}}""", "documents", "an array")]
    [InlineData("""{"documents":[{"id":"a","text":"b"},{"id":2,"text":"b"}]}""", "documents[1].id", "a string")]
    [InlineData("""{"documents":[{"id":"a","text":"b","x":1}]}""", "documents[0].x", "no member")]
    [InlineData("""{"documents":["a"]}""", "documents[0]", "an object")]
    [InlineData("""{"documents":[null]}""", "documents[0]", "null")]
    [InlineData("""{"documents":[{"id":"a","text":"b"},{"id":"b","text":"\u0000","title":"c"}]}""", "documents[1].text", "NUL")]
    [InlineData("""{"documents":[{"id":"a","chunks":[{"text":"b","vector":[1e39]}]}]}""", "documents[0].chunks[0].vector[0]", "finite")]
    public void Describe_ABatchThatCannotBeRead_NamesTheDocument(string json, string field, string reason) =>
        Expect<DocumentBatch>(Encoding.UTF8.GetBytes(json), field, reason);

    [Theory]
    [InlineData("""{"name":"a","chunking":{"targetLength":"long"}}""", "chunking.targetLength", "an integer")]
    [InlineData("""{"name":"a","chunking":{"targetLength":1.5}}""", "chunking.targetLength", "an integer")]
    public void Describe_AWorkspaceThatCannotBeRead_NamesTheMember(string json, string field, string reason) =>
        Expect<WorkspaceCreate>(Encoding.UTF8.GetBytes(json), field, reason);

    [Fact]
    public void Describe_InvalidUtf8_NamesTheField() =>
        Expect<DocumentPut>([.. "{\"text\":\"a"u8, 0xFF, .. "\"}"u8], "text", "Unicode");

    [Fact]
    public void Describe_TooDeep_SaysSo() =>
        Expect<DocumentPut>(Encoding.UTF8.GetBytes($$"""{"text":"a","metadata":{{new string('[', 100)}}"""), "metadata", "deeply");

    [Theory]
    [InlineData("Failed to bind parameter \"int limit\" from \"abc\".", "limit", "'abc' is not an integer.")]
    [InlineData("Required parameter \"DocumentId id\" was not provided from route.", "id", "It must not be empty.")]
    [InlineData("Required parameter \"DocumentPut document\" was not provided from body.", "body", "A JSON body is needed.")]
    public void Describe_AParameterThatCannotBeBound_NamesIt(string message, string field, string sentence)
    {
        Assert.Equal((field, sentence), UnreadableRequest.Describe(message));
    }

    [Theory]
    [InlineData("Documents[3].Id", "documents[3].id")]
    [InlineData("Chunking.TargetLength", "chunking.targetLength")]
    [InlineData("limit", "limit")]
    public void ToJsonPath_AMemberPath_IsCamelCase(string member, string path) => Assert.Equal(path, FieldNames.ToJsonPath(member));

    [Theory]
    [InlineData("The field Text must be short.", "It must be short.")]
    [InlineData("The Text field is required.", "It is required.")]
    [InlineData("Expected a name.", "Expected a name.")]
    public void WithoutMemberName_AFrameworkSentence_NamesNoMember(string message, string sentence) =>
        Assert.Equal(sentence, FieldNames.WithoutMemberName(message));

    private static void Expect<T>(byte[] json, string field, string reason)
    {
        var exception = Assert.ThrowsAny<JsonException>(() => JsonSerializer.Deserialize<T>(json, s_options));

        var problem = UnreadableRequest.Describe(exception, typeof(T));

        Assert.Equal(field, problem.Field);
        Assert.Contains(reason, problem.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("RagPlatform", problem.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("System.", problem.Message, StringComparison.Ordinal);
    }

    private static JsonSerializerOptions CreateOptions()
    {
        var options = new JsonSerializerOptions(JsonSerializerDefaults.Web);
        return WireRules.Apply(RagJson.Configure(options));
    }
}
