using System.Text;
using System.Text.Json.Nodes;

namespace RagPlatform.Lab.Drill.Fuzz;

/// <summary>A request of an operation: as it should be, and then changed.</summary>
internal sealed class FuzzRequest(FuzzOperation operation, string workspace)
{
    private const string Mark = "§raw§";

    private readonly Dictionary<string, string> _places = operation.Places.ToDictionary(
        place => place, place => place switch { "workspace" => workspace, _ when place.EndsWith("Id", StringComparison.Ordinal) => "1", _ => "a" });

    private readonly List<(string Name, string Value)> _query = [];
    private readonly Dictionary<string, string> _headers = new(StringComparer.OrdinalIgnoreCase);
    private byte[]? _body = operation.Body is null ? null : Encoding.UTF8.GetBytes(operation.Body.ToJsonString());

    /// <summary>Every request that has one value in the place of one member, one parameter or one part of the path.</summary>
    public static IEnumerable<FuzzRequest> OneByOne(FuzzOperation operation, string workspace)
    {
        foreach (var value in FuzzValues.Json)
        {
            if (operation.Body is { } body)
            {
                yield return new FuzzRequest(operation, workspace).WithBody(value);
                foreach (var path in Members(body, []))
                {
                    yield return new FuzzRequest(operation, workspace).WithMember(path, value);
                }
            }
        }

        foreach (var value in FuzzValues.Texts)
        {
            foreach (var name in operation.Queries)
            {
                yield return new FuzzRequest(operation, workspace).WithQuery(name, value);
            }

            foreach (var place in operation.Places)
            {
                yield return new FuzzRequest(operation, workspace).WithPlace(place, value);
            }
        }
    }

    /// <summary>A request with some random changes.</summary>
    public static FuzzRequest Mutate(FuzzOperation operation, string workspace, Random random)
    {
        // Of all members a part: what does not go together would else be all that is ever said of the rest.
        if (operation.Body is JsonObject whole && random.Next(4) > 0)
        {
            var part = new JsonObject(whole.Where(_ => random.Next(3) == 0).Select(m => new KeyValuePair<string, JsonNode?>(m.Key, m.Value?.DeepClone())));
            foreach (var needed in operation.Needed)
            {
                part[needed] ??= whole[needed]?.DeepClone();
            }

            operation = operation with { Body = part };
        }

        var request = new FuzzRequest(operation, workspace);
        for (var changes = random.Next(0, 5); changes > 0; changes--)
        {
            var text = Pick(FuzzValues.Texts, random);
            switch (random.Next(10))
            {
                case 0 when operation.Places.Count > 0:
                    var place = Pick(operation.Places, random);
                    request.WithPlace(place, place == "workspace" && random.Next(2) == 0 ? "other" : text);
                    break;
                case 1 or 2:
                    request.WithQuery(operation.Queries.Count == 0 || random.Next(8) == 0 ? "unknown" : Pick(operation.Queries, random), text);
                    break;
                case 3:
                    request._headers[Pick(FuzzValues.Headers, random)] = text;
                    break;
                case 4 when request._body is { Length: > 0 } body:
                    request._body = Damage(body, random);
                    break;
                default:
                    request.ChangeMember(random);
                    break;
            }
        }

        return request;
    }

    /// <summary>The target as it is sent.</summary>
    public string Target
    {
        get
        {
            var path = string.Join('/', operation.Path.Split('/').Select(segment => segment is ['{', .., '}']
                ? Uri.EscapeDataString(_places[segment.Trim('{', '}', '*').Split(':')[0]])
                : segment));
            return _query.Count == 0 ? path : path + "?" + string.Join('&', _query.Select(q => $"{Uri.EscapeDataString(q.Name)}={Uri.EscapeDataString(q.Value)}"));
        }
    }

    /// <summary>The request, for HttpClient.</summary>
    public HttpRequestMessage ToMessage()
    {
        var origin = operation.Address.GetLeftPart(UriPartial.Authority);
        var message = new HttpRequestMessage(
            new HttpMethod(operation.Method), new Uri(origin + Target, new UriCreationOptions { DangerousDisablePathAndQueryCanonicalization = true }));
        if (_body is not null)
        {
            message.Content = new ByteArrayContent(_body);
            message.Content.Headers.ContentType = new("application/json");
        }

        foreach (var (name, value) in _headers)
        {
            // What is no value of a header is not sent; content headers replace those of the body.
            if (!message.Headers.TryAddWithoutValidation(name, value) && message.Content is { } content)
            {
                content.Headers.Remove(name);
                content.Headers.TryAddWithoutValidation(name, value);
            }
        }

        return message;
    }

    /// <inheritdoc />
    public override string ToString()
    {
        var headers = string.Concat(_headers.Select(h => $" -H '{h.Key}: {h.Value}'"));
        var body = _body is null ? "" : " -d " + Encoding.UTF8.GetString(_body.AsSpan(0, Math.Min(_body.Length, 400)));
        return $"{operation.Service} {operation.Method} {Target}{headers}{body}";
    }

    private static T Pick<T>(IReadOnlyList<T> items, Random random) => items[random.Next(items.Count)];

    // Paths to every member and item, as names and numbers.
    private static IEnumerable<IReadOnlyList<object>> Members(JsonNode? node, IReadOnlyList<object> path)
    {
        var below = node switch
        {
            JsonObject o => o.Select(p => ((object)p.Key, p.Value)),
            JsonArray a => a.Select((item, i) => ((object)i, item)),
            _ => [],
        };
        foreach (var (name, value) in below.ToList())
        {
            IReadOnlyList<object> own = [.. path, name];
            yield return own;
            foreach (var deeper in Members(value, own))
            {
                yield return deeper;
            }
        }
    }

    private static byte[] Damage(byte[] body, Random random)
    {
        var copy = (byte[])body.Clone();
        switch (random.Next(4))
        {
            case 0:
                copy[random.Next(copy.Length)] = (byte)random.Next(256);
                return copy;
            case 1:
                return copy[..random.Next(copy.Length)];
            case 2:
                return [0xEF, 0xBB, 0xBF, .. copy];
            default:
                return [.. copy, .. copy];
        }
    }

    private FuzzRequest WithPlace(string place, string value)
    {
        _places[place] = value;
        return this;
    }

    private FuzzRequest WithQuery(string name, string value)
    {
        _query.Add((name, value));
        return this;
    }

    private FuzzRequest WithBody(string json)
    {
        _body = Encoding.UTF8.GetBytes(json);
        return this;
    }

    private FuzzRequest WithMember(IReadOnlyList<object> path, string json)
    {
        var body = operation.Body!.DeepClone();
        var parent = body;
        foreach (var step in path.SkipLast(1))
        {
            parent = step is int i ? parent[i]! : parent[(string)step]!;
        }

        if (path[^1] is int index)
        {
            parent[index] = Mark;
        }
        else
        {
            parent[(string)path[^1]] = Mark;
        }

        // In its place as it is written: much of it is no JSON that could be parsed.
        var marked = JsonValue.Create(Mark).ToJsonString();
        return WithBody(body.ToJsonString().Replace(marked, json, StringComparison.Ordinal));
    }

    private void ChangeMember(Random random)
    {
        if (operation.Body is null || Members(operation.Body, []).ToList() is not { Count: > 0 } members)
        {
            return;
        }

        WithMember(Pick(members, random), Pick(FuzzValues.Json, random));
    }
}
